#include "broker/read_budget.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "broker/delivery.h"
#include "broker/spool_samples.h"

namespace spillway::broker {
namespace {

constexpr std::size_t kMin = ReadBudget::kShareMin;

TEST(ReadBudgetTest, WhoWantsMoreThanThereIsHasItsShareNevertheless) {
  ReadBudget budget(2 * kMin);
  auto first = budget.take(2 * kMin);
  auto second = budget.take(3 * kMin);
  auto third = budget.take(2 * kMin);
  EXPECT_EQ(first.bytes(), 2 * kMin);
  EXPECT_EQ(second.bytes(), 2 * kMin) << "what the first one left, and its own";
  EXPECT_EQ(third.bytes(), kMin);
  EXPECT_EQ(budget.take(7).bytes(), 7u);
}

TEST(ReadBudgetTest, WhatIsNotHeldAnyMoreIsTheOthers) {
  ReadBudget budget(2 * kMin);
  auto first = budget.take(3 * kMin);
  EXPECT_EQ(budget.take(2 * kMin).bytes(), kMin);
  first.settle(2 * kMin);
  EXPECT_EQ(budget.take(3 * kMin).bytes(), 2 * kMin);
  auto moved = std::move(first);
  EXPECT_EQ(budget.take(3 * kMin).bytes(), 2 * kMin);
  moved.settle(9 * kMin);  // one large record
  EXPECT_EQ(budget.take(2 * kMin).bytes(), kMin);
  moved = ReadBudget::Share();
  EXPECT_EQ(budget.take(9 * kMin).bytes(), 3 * kMin);
}

TEST(ReadBudgetTest, SaysWhatEachWouldHaveOfIt) {
  ReadBudget budget(12 * kMin);
  EXPECT_EQ(budget.fair(), 12 * kMin);
  auto first = budget.take(3 * kMin);
  auto second = budget.take(3 * kMin);
  EXPECT_EQ(budget.holders(), 2u);
  EXPECT_EQ(budget.fair(), 4 * kMin);
  first.settle(0);
  EXPECT_EQ(budget.holders(), 1u);
  auto moved = std::move(second);
  EXPECT_EQ(budget.holders(), 1u);
  moved = ReadBudget::Share();
  EXPECT_EQ(budget.holders(), 0u);
}

// A backlog of 80 MiB in 80 shards.
class BacklogTest : public SpoolTest {
 protected:
  static constexpr std::size_t kStreams = 10;
  static constexpr std::size_t kRecordBytes = 50'000;

  BacklogTest() {
    for (std::size_t i = 0; i < kStreams; ++i) streams_.push_back(fmt::format("s{}", i));
    spool_ = std::make_unique<Spool>(engine_, room_, clock_, entropy_, metrics_);
    start(spool_->open(loop_, streams_),
          UniqueFunction<void(Status)>([](const Status& status) { EXPECT_TRUE(status.ok()); }));
    loop_.run();
    const std::string data(kRecordBytes, 'x');
    for (const auto& stream : streams_) {
      for (const auto& shard : spool_->shards_of(stream)) {
        const std::vector<stream::RecordView> records(
            21, {.partition_key = "k", .data = data, .explicit_hash_key = shard.first_hash_key});
        spool_->put(stream, records, [](const Spool::Outcomes&) {});
      }
    }
    load(cursors_);
  }

  std::vector<std::string> streams_;
  FakeTarget target_{loop_};
  Cursors cursors_{loop_, engine_, silent_};
};

TEST_F(BacklogTest, IsNotHeldInMemory) {
  target_.silent = true;
  Target* const targets[] = {&target_};
  Route route({loop_, silent_, metrics_}, targets, RouteSettings());
  Delivery delivery({loop_, *spool_, cursors_, route, silent_, metrics_}, streams_, Random(1));
  engine_.reads = 0;
  delivery.start([] {});
  loop_.run();
  target_.answer();  // to prepare
  loop_.run(seconds(2));
  EXPECT_EQ(target_.in_flight, 8);
  EXPECT_EQ(engine_.reads, 80u) << "the others wait for their turn, with what they may hold";
  target_.silent = false;
  target_.answer();
  loop_.run(seconds(5));
  EXPECT_EQ(target_.stored.size(), 80u * 21);
  bool ended = false;
  delivery.drain(seconds(1), [&] { ended = true; });
  loop_.run(seconds(2));
  EXPECT_TRUE(ended);
}

}  // namespace
}  // namespace spillway::broker
