#include "broker/receipts.h"

#include <gmock/gmock.h>

#include "base/rfc3339.h"
#include "broker/checked_lines.h"
#include "broker/spool_samples.h"
#include "io/recording_log.h"
#include "log/crash_disk.h"

namespace spillway::broker {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr stream::ShardId kShard = 7;
const WallTime kTime = *parse_rfc3339("2020-11-25T14:00:00.123Z");

Receipt receipt_of(std::uint64_t id) {
  Receipt receipt{id, kTime, SwitchAction::kReturn, "b", "a", "broker:edge", "\"a\" is well", {}};
  ReceiptShard shard;
  shard.before = {"orders", 3, kShard, {100}, {250}, {140}, 40, 15};
  shard.old_only = 60;
  shard.resolved[1] = kTime;
  receipt.shards[kShard] = shard;
  receipt.shards[8].before.id = 8;
  return receipt;
}

TEST(Receipt, IsReadAsItWasWritten) {
  const auto text = encode(receipt_of(12));
  const auto read = decode_receipt(text);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(encode(*read), text);
  EXPECT_EQ(read->action, SwitchAction::kReturn);
  EXPECT_EQ(read->shards.at(kShard).before.in_flight_end.value, 140u);
  EXPECT_EQ(read->shards.at(kShard).resolved[1], kTime);
  EXPECT_FALSE(read->shards.at(kShard).resolved[0]);
}

TEST(Receipt, OfAnOlderBuildHasNothingLeftBehind) {
  auto receipt = receipt_of(12);
  receipt.shards[kShard].before.left_behind = 9;
  auto text = encode(receipt);
  EXPECT_EQ(decode_receipt(text)->shards.at(kShard).before.left_behind, 9u);
  constexpr std::string_view kMember = R"("left_behind":9,)";
  const auto head = text.find('\n') + 1;
  text = text.substr(head).erase(text.find(kMember) - head, kMember.size());
  const auto read =
      decode_receipt(with_checksum({"spillway switch receipt", "1", "a receipt"}, text));
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read->shards.at(kShard).before.left_behind, 0u);
  EXPECT_EQ(read->shards.at(kShard).old_only, 60u);
}

TEST(Receipt, WhatIsDamagedOrNewerIsRefused) {
  const auto text = encode(receipt_of(12));
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_EQ(decode_receipt(text.substr(0, size)).error().code, ErrorCode::kCorrupt) << size;
  auto newer = text;
  newer[newer.find('1')] = '2';
  EXPECT_EQ(decode_receipt(newer).error().code, ErrorCode::kUnsupported);
}

// The records of 7: a has those before 100 but [40, 50); b was used from 100 on, and had [20, 30)
// of those before.
TEST(Receipt, FiguresAreThoseOfTheCursors) {
  ReceiptShard shard;
  shard.before = {"orders", 3, kShard, {100}, {250}, {140}, 40, 15};
  shard.old_only = 80;
  const PositionRanges b_lacks = {{{0}, {20}}, {{30}, {100}}};
  ShardPlaces places{{100}, {{{40}, {50}}}, b_lacks, std::nullopt, {10}};

  auto figures = figures_of(shard, places);
  EXPECT_EQ(figures.of(Matter::kInFlight).open, 40u);
  EXPECT_EQ(figures.sent_twice, 0u) << "not yet";
  EXPECT_EQ(figures.acknowledged, 15u);
  EXPECT_EQ(figures.of(Matter::kSpool).open, 150u);
  EXPECT_EQ(figures.of(Matter::kOldOnly).open, 80u) << "both lack [40, 50)";
  EXPECT_EQ(figures.of(Matter::kOldOnly).gone, 10u);
  EXPECT_EQ(figures.of(Matter::kNewOnly).open, 0u);
  EXPECT_FALSE(resolve(shard, places, kTime));

  auto later = places;  // a was sent what it lacked itself
  later.old_lacks.clear();
  later.oldest = {90};
  EXPECT_EQ(figures_of(shard, later).of(Matter::kOldOnly).open, 80u) << "it had no more";
  EXPECT_EQ(figures_of(shard, later).of(Matter::kOldOnly).gone, 80u);

  places.furthest = {200};
  places.old_lacks.push_back({{100}, {200}});
  figures = figures_of(shard, places);
  EXPECT_EQ(figures.of(Matter::kInFlight).open, 0u);
  EXPECT_EQ(figures.sent_twice, 40u);
  EXPECT_EQ(figures.of(Matter::kSpool).open, 50u);
  EXPECT_EQ(figures.of(Matter::kNewOnly).open, 100u);
  EXPECT_TRUE(resolve(shard, places, kTime));
  EXPECT_TRUE(shard.resolved[0] && !shard.resolved[1] && !shard.resolved[2] && !shard.resolved[3]);

  places.furthest = {300};
  places.old_lacks.back().second = {300};
  places.new_lacks = {{{0}, {10}}};  // b was sent the rest
  figures = figures_of(shard, places);
  EXPECT_EQ(figures.of(Matter::kOldOnly).open, 10u);
  EXPECT_EQ(figures.of(Matter::kOldOnly).gone, 10u) << "it never will be";
  EXPECT_EQ(figures.of(Matter::kNewOnly).records, 200u);
  EXPECT_TRUE(resolve(shard, places, kTime));
  EXPECT_TRUE(shard.resolved[1] && !shard.resolved[2] && !shard.resolved[3]);

  places.old_lacks.clear();
  EXPECT_FALSE(resolve(shard, places, kTime)) << "b takes more until the next switch";
  places.until = {300};
  EXPECT_TRUE(resolve(shard, places, kTime));
  EXPECT_TRUE(shard.resolved[3]);
  places.old_lacks = {{{150}, {160}}};
  EXPECT_EQ(figures_of(shard, places).of(Matter::kNewOnly).open, 0u) << "what is resolved stays so";
}

class ReceiptsTest : public SpoolTest {
 protected:
  ReceiptsTest() { restart(); }

  void restart() {
    receipts_.reset();
    cursors_ = std::make_unique<Cursors>(loop_, engine_, silent_);
    load(*cursors_);
    receipts_ = std::make_unique<Receipts>(Receipts::Parts{loop_, disk_, *cursors_, horizon_, log_},
                                           "receipts");
    receipts_->load();
  }
  std::uint64_t begin(const std::string& from, const std::string& to, std::uint64_t at,
                      std::uint64_t in_flight = 0) {
    SwitchEvent event;
    event.time = kTime;
    event.from = from;
    event.to = to;
    event.who = "carol";
    event.reason = "drill";
    const ShardUnderWay shard{"orders",         3,         kShard, {at}, {at + 100},
                              {at + in_flight}, in_flight, 0};
    return receipts_->begin(event, std::vector{shard});
  }
  void advance(const std::string& target, std::uint64_t to) {
    cursors_->take_over(kShard, target, cursors_->furthest(kShard));
    cursors_->advance(kShard, target, {to}, {});
    loop_.run();
  }

  log::CrashDisk disk_;
  io::RecordingLog log_;
  SpoolHorizon horizon_{loop_, engine_};
  std::unique_ptr<Cursors> cursors_;
  std::unique_ptr<Receipts> receipts_;
};

TEST_F(ReceiptsTest, ASwitchAndTheReturnFromIt) {
  advance("a", 100);
  EXPECT_EQ(begin("a", "b", 100, 20), 1u);
  advance("b", 300);
  EXPECT_EQ(begin("b", "a", 300), 2u);
  advance("a", 400);
  receipts_->look();
  EXPECT_THAT(*receipts_->json(1),
              HasSubstr(R"("in_flight":{"records":20,"open":0,"acknowledged":0,"sent_twice":20,)"));
  EXPECT_THAT(*receipts_->json(1),
              HasSubstr(R"("old_only":{"records":100,"open":100,"missed_for_good":0})"));
  EXPECT_THAT(*receipts_->json(1),
              HasSubstr(R"("new_only":{"records":200,"open":200,"missed_for_good":0})"));
  EXPECT_THAT(*receipts_->json(2), HasSubstr(R"("old_only":{"records":200,"open":200,)"));

  // a is sent what it missed: that is resolved for both, whatever b lacks.
  cursors_->fill(kShard, "a", {{100}, {250}});
  EXPECT_THAT(*receipts_->json(1), HasSubstr(R"("new_only":{"records":200,"open":50,)"));
  const auto before = *receipts_->json(1);
  loop_.run();
  restart();
  EXPECT_EQ(*receipts_->json(1), before) << "over a restart too";
  cursors_->fill(kShard, "a", {{250}, {300}});
  receipts_->look();
  EXPECT_THAT(*receipts_->json(1), HasSubstr(R"("new_only":{"records":200,"open":0,)"));
  EXPECT_THAT(*receipts_->json(1), HasSubstr(R"("open":0,"missed_for_good":0,"resolved":"19)"));
  EXPECT_THAT(receipts_->list_json(), HasSubstr(R"("id":2,)"));
  EXPECT_EQ(receipts_->json(3).error().code, ErrorCode::kNotFound);
}

TEST_F(ReceiptsTest, WhatIsLeftBehindIsInTheSpoolAlone) {
  advance("a", 100);
  begin("a", "b", 100, 20);
  cursors_->take_over(kShard, "b", cursors_->furthest(kShard));
  cursors_->leave_behind(kShard, "b", {300}, {});
  receipts_->look();
  EXPECT_THAT(*receipts_->json(1), HasSubstr(R"("in_flight":{"records":20,"open":20,)"));
  EXPECT_THAT(*receipts_->json(1), HasSubstr(R"("spool":{"records":100,"open":100)"));
  cursors_->fill(kShard, "b", {{100}, {150}});
  receipts_->look();
  EXPECT_THAT(*receipts_->json(1), HasSubstr(R"("in_flight":{"records":20,"open":0,)"));
  EXPECT_THAT(*receipts_->json(1), HasSubstr(R"("spool":{"records":100,"open":50)"));
  cursors_->fill(kShard, "b", {{150}, {200}});
  receipts_->look();
  EXPECT_THAT(*receipts_->json(1), HasSubstr(R"("spool":{"records":100,"open":0)"));
}

// Before the switch: 10 of [100, 200) were in flight to a.
TEST_F(ReceiptsTest, WhatWasLeftBehindBeforeIsOpenUntilItIsSent) {
  advance("a", 100);
  cursors_->leave_behind(kShard, "a", {200}, {});
  loop_.run();
  SwitchEvent event;
  event.time = kTime;
  event.from = "a";
  event.to = "b";
  const ShardUnderWay shard{"orders", 3, kShard, {200}, {250}, {110}, 10, 0, 100};
  receipts_->begin(event, std::vector{shard});
  advance("b", 300);
  receipts_->look();
  EXPECT_THAT(*receipts_->json(1), HasSubstr(R"("in_flight":{"records":10,"open":10,)"));
  EXPECT_THAT(*receipts_->json(1), HasSubstr(R"("sent_twice":0)"));
  EXPECT_THAT(*receipts_->json(1), HasSubstr(R"("spool":{"records":150,"open":100)"));
  cursors_->fill(kShard, "b", {{100}, {110}});
  loop_.run();
  restart();
  EXPECT_THAT(*receipts_->json(1), HasSubstr(R"("in_flight":{"records":10,"open":0,)"));
  EXPECT_THAT(*receipts_->json(1), HasSubstr(R"("spool":{"records":150,"open":90)"));
  cursors_->fill(kShard, "b", {{110}, {200}});
  receipts_->look();
  EXPECT_THAT(*receipts_->json(1), HasSubstr(R"("spool":{"records":150,"open":0)"));
}

// What was left behind before the switch is not what was in flight.
TEST_F(ReceiptsTest, ARequestInFlightIsResolvedBeforeWhatWasLeftBehind) {
  advance("a", 100);
  cursors_->leave_behind(kShard, "a", {200}, {});
  begin("a", "b", 200, 20);
  advance("b", 220);
  receipts_->look();
  EXPECT_THAT(*receipts_->json(1), HasSubstr(R"("in_flight":{"records":20,"open":0,)"));
}

TEST_F(ReceiptsTest, AReceiptThatCantBeWrittenIsWrittenLater) {
  disk_.fail_after(0);
  EXPECT_EQ(begin("a", "b", 100), 1u);
  EXPECT_THAT(*receipts_->json(1), HasSubstr(R"("from":"a")"));
  receipts_->look();
  EXPECT_EQ(log_.events.size(), 1u) << "told once";
  disk_.never_fail();
  receipts_->look();
  restart();
  EXPECT_THAT(*receipts_->json(1), HasSubstr(R"("from":"a")"));
}

TEST_F(ReceiptsTest, ALookStoresAFewOnly) {
  disk_.fail_after(0);
  for (std::size_t i = 0; i < 2 * Receipts::kStoredPerLook; ++i) begin("a", "b", 100);
  disk_.never_fail();
  const auto stored = [this] {
    const auto files = disk_.list("receipts");
    return files.ok() ? files->size() : 0;
  };
  EXPECT_EQ(stored(), 0u);
  receipts_->look();
  EXPECT_EQ(stored(), Receipts::kStoredPerLook);
  receipts_->look();
  EXPECT_EQ(stored(), 2 * Receipts::kStoredPerLook);
}

TEST_F(ReceiptsTest, AReceiptOutlivesALossOfPower) {
  begin("a", "b", 100);
  Random random(1);
  disk_.cut_power(random);
  restart();
  EXPECT_TRUE(receipts_->json(1).ok());
}

TEST_F(ReceiptsTest, OneThatIsDamagedOrCantBeReadIsSetAside) {
  for (int i = 0; i < 3; ++i) begin("a", "b", 100);
  disk_.put("receipts/1.receipt", std::string((std::size_t{64} << 20) + 1, 'x'));
  disk_.content("receipts/3.receipt").back() = 'x';
  restart();
  EXPECT_EQ(log_.events.size(), 2u);
  EXPECT_FALSE(receipts_->json(1).ok());
  EXPECT_TRUE(receipts_->json(2).ok());
  EXPECT_FALSE(receipts_->json(3).ok());
  EXPECT_FALSE(disk_.content("receipts/1.receipt.damaged").empty());
  EXPECT_FALSE(disk_.content("receipts/3.receipt.damaged").empty());
  restart();
  EXPECT_EQ(log_.events.size(), 2u) << "told once";
  EXPECT_EQ(begin("a", "b", 100), 4u) << "a number means one switch for ever";
}

TEST_F(ReceiptsTest, TheLatestAreKept) {
  for (std::uint64_t i = 1; i <= Receipts::kKept + 5; ++i) EXPECT_EQ(begin("a", "b", 100), i);
  EXPECT_EQ(receipts_->json(5).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(receipts_->json(6).ok());
  restart();
  EXPECT_THAT(receipts_->list_json(), Not(HasSubstr(R"("id":5,)")));
  EXPECT_THAT(receipts_->list_json(), HasSubstr(R"("id":6,)"));
}

}  // namespace
}  // namespace spillway::broker
