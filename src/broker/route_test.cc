#include "broker/route.h"

#include <gmock/gmock.h>

#include <map>

#include "broker/broker_status.h"
#include "broker/delivery_samples.h"
#include "io/recording_log.h"

namespace spillway::broker {
namespace {

using testing::HasSubstr;

// A broker with the targets a and b.
class RouteTest : public SpoolTest {
 protected:
  RouteTest() { begin(); }
  ~RouteTest() override { end(); }

  void begin() {
    cursors_ = std::make_unique<Cursors>(loop_, engine_, silent_);
    load(*cursors_);
    RouteSettings settings;
    settings.canary_stream = FakeTarget::kCanaryStream;
    Target* const targets[] = {&a_, &b_};
    route_ = std::make_unique<Route>(Route::Parts{loop_, log_, metrics_}, targets, settings);
    const std::vector<std::string> streams = {"s"};
    delivery_ = std::make_unique<Delivery>(
        Delivery::Parts{loop_, *spool_, *cursors_, *route_, silent_, metrics_}, streams, Random(1));
    spool_->on_appended(
        [this](std::span<const stream::ShardId> shards) { delivery_->wake(shards); });
    delivery_->start([] {});
    loop_.run();
  }
  void end() {
    bool ended = false;
    delivery_->drain(nanoseconds(1), [&] { ended = true; });
    loop_.run(seconds(1));
    EXPECT_TRUE(ended);
  }
  // As SIGKILL and a start.
  void kill_and_restart() {
    a_.closed = b_.closed = true;
    end();
    a_.closed = b_.closed = false;
    delivery_.reset();
    route_.reset();
    cursors_.reset();
    reopen();
    begin();
  }
  // One record every 20 ms.
  void put_for(nanoseconds time) {
    for (nanoseconds gone{0}; gone < time; gone += milliseconds(20)) {
      put("k", ++last_, 1);
      loop_.run(milliseconds(20));
    }
  }
  // Until the target is used, records arriving all the time; how long that took.
  nanoseconds until_used(std::size_t place, nanoseconds at_most = seconds(600)) {
    const MonoTime began = loop_.mono_now();
    while (route_->choice().target != place && loop_.mono_now() - began < at_most)
      put_for(milliseconds(20));
    EXPECT_EQ(route_->choice().target, place);
    return loop_.mono_now() - began;
  }
  static std::vector<int> numbers(const FakeTarget& target) {
    std::vector<int> numbers;
    numbers.reserve(target.stored.size());
    for (const auto& entry : target.stored) numbers.push_back(std::stoi(entry.data.substr(2)));
    return numbers;
  }
  // Each record is in a target, and each target has those that it has in order, first copies alone.
  void expect_all_in_order() {
    std::map<int, stream::Origin> origins;
    for (const auto* target : {&a_, &b_}) {
      int last = 0;
      for (const auto& entry : target->stored) {
        const int number = std::stoi(entry.data.substr(2));
        const auto [known, first] = origins.try_emplace(number, *entry.origin);
        EXPECT_EQ(known->second.sequence, entry.origin->sequence);
        EXPECT_EQ(known->second.previous, entry.origin->previous) << "wherever it is";
        if (number <= last) continue;
        EXPECT_TRUE(target->stored.front().data == entry.data || last > 0);
        last = number;
      }
    }
    EXPECT_EQ(origins.size(), static_cast<std::size_t>(last_));
    std::uint64_t previous = 0;
    for (const auto& [number, origin] : origins) {
      EXPECT_EQ(origin.previous, previous) << number;
      previous = origin.sequence;
    }
  }
  std::vector<PositionRange> unsent(const std::string& target) {
    for (const auto& shard : spool_->shards_of("s"))
      if (const auto cursor = cursors_->at(shard.id, target); cursor.next.value > 0)
        return cursor.unsent;
    return {};
  }

  // Of targets in reserve.
  std::vector<std::string> told() const {
    std::vector<std::string> told;
    for (const auto& event : log_.events)
      if (event.starts_with("a target in reserve")) told.push_back(event);
    return told;
  }

  io::RecordingLog log_;
  FakeTarget a_{loop_, "a"};
  FakeTarget b_{loop_, "b"};
  std::unique_ptr<Cursors> cursors_;
  std::unique_ptr<Route> route_;
  std::unique_ptr<Delivery> delivery_;
  int last_ = 0;
};

TEST_F(RouteTest, TheFirstIsUsedAndBothGetCanaries) {
  put_for(seconds(30));
  EXPECT_EQ(a_.stored.size(), static_cast<std::size_t>(last_));
  EXPECT_TRUE(b_.stored.empty());
  EXPECT_GE(a_.canaries, 6);
  EXPECT_LE(a_.canaries, 7) << "seldom, where there is traffic";
  EXPECT_GE(b_.canaries, 30);
  EXPECT_EQ(a_.reads, a_.canaries);
  EXPECT_EQ(b_.reads, b_.canaries);
}

TEST_F(RouteTest, OneThatRefusesIsLeftWithin2Seconds) {
  put_for(seconds(2));
  a_.down = true;
  const auto took = until_used(1);
  EXPECT_LE(took, seconds(2));
  put_for(seconds(2));
  EXPECT_EQ(delivery_->held(), 0u);
  expect_all_in_order();
  EXPECT_EQ(a_.stored.size() + b_.stored.size(), static_cast<std::size_t>(last_)) << "each once";
  EXPECT_THAT(unsent("b"), testing::SizeIs(1)) << "what a has";
  EXPECT_THAT(metrics_.prometheus_text(),
              HasSubstr(R"(spillway_broker_target_state{target="a"} 2)"));
  EXPECT_THAT(metrics_.prometheus_text(), HasSubstr("spillway_broker_switches_total 1"));
}

TEST_F(RouteTest, ASwitchEndsTheWaitForAStreamThatIsBeingMade) {
  a_.silent = true;
  put_for(milliseconds(200));
  EXPECT_THAT(a_.prepared, testing::Contains("s"));
  ASSERT_TRUE(route_->hold(1, "by hand").ok());
  put_for(milliseconds(200));
  EXPECT_EQ(b_.stored.size(), static_cast<std::size_t>(last_));
  a_.silent = false;
  a_.answer();
  route_->release();
  put_for(seconds(1));
  expect_all_in_order();
}

TEST_F(RouteTest, NothingIsReadThatNobodyTakes) {
  put_for(seconds(2));
  a_.down = b_.down = true;
  put_for(seconds(30));
  ASSERT_EQ(route_->choice().target, std::nullopt);
  engine_.reads = 0;
  for (int i = 1; i <= 50; ++i) put(fmt::format("key{}", i), 1, 1);
  loop_.run(seconds(20));
  EXPECT_EQ(engine_.reads, 0u);
  a_.down = b_.down = false;
  loop_.run(seconds(60));
  EXPECT_EQ(delivery_->held(), 0u);
}

TEST_F(RouteTest, WhatIsUnderWayToOneThatNeverAnswersIsSentToTheOther) {
  put_for(seconds(2));
  a_.silent = true;
  const auto before = a_.stored.size();
  EXPECT_LE(until_used(1), seconds(2));
  put_for(seconds(1));
  EXPECT_EQ(delivery_->held(), 0u);
  EXPECT_EQ(b_.stored.size() + before, static_cast<std::size_t>(last_));
  // It had them, and says so too late.
  a_.silent = false;
  a_.answer();
  loop_.run(seconds(1));
  EXPECT_GT(a_.stored.size(), before);
  expect_all_in_order();
}

TEST_F(RouteTest, ABacklogIsSentAFewMebibytesAtATime) {
  put_for(milliseconds(20));
  a_.silent = true;
  const std::string data = "k-" + std::to_string(++last_) + std::string(300'000, ' ');
  for (int key = 0; key < 64; ++key) {
    const std::string name = "key " + std::to_string(key);
    const std::vector<stream::RecordView> records(3, {name, data, std::nullopt, std::nullopt});
    EXPECT_EQ(put(records), 0u);
  }
  for (int i = 0; i < 3; ++i) {
    loop_.run();
    EXPECT_GE(a_.bytes_in_flight, std::size_t{3} << 20);
    EXPECT_LE(a_.bytes_in_flight, std::size_t{4} << 20);
    a_.answer();
  }
  // Those that wait for their turn go elsewhere with all others.
  loop_.run(seconds(3));
  EXPECT_EQ(route_->choice().target, 1u);
  EXPECT_EQ(delivery_->held(), 0u);
  a_.silent = false;
  a_.answer();
  loop_.run();
}

TEST_F(RouteTest, OneThatCantBeReadIsLeft) {
  put_for(seconds(2));
  a_.unreadable = true;
  EXPECT_LE(until_used(1), seconds(8));
  a_.unreadable = false;
  until_used(0);
  a_.behind = true;
  EXPECT_LE(until_used(1), seconds(12)) << "what is written is not there in time";
  expect_all_in_order();
}

TEST_F(RouteTest, ThatAReserveIsDownIsToldOnceAndItsReturn) {
  put_for(seconds(2));
  b_.down = true;
  put_for(seconds(60));
  EXPECT_THAT(told(), testing::ElementsAre("a target in reserve is down"));
  b_.down = false;
  put_for(seconds(120));
  const std::vector<std::string> both = {"a target in reserve is down",
                                         "a target in reserve is well again"};
  EXPECT_EQ(told(), both);
  a_.down = true;
  until_used(1);
  put_for(seconds(5));
  EXPECT_EQ(told(), both) << "of the one that was in use the switch tells";
}

class OneTargetTest : public DeliveryTest {};

TEST_F(OneTargetTest, IsNotHealthyInTheStatusWhileItTakesNothing) {
  put("k", 1, 1);
  loop_.run(seconds(1));
  EXPECT_EQ(standing_of(*route_).footing, "healthy");
  target_.down = true;
  put("k", 2, 1);
  loop_.run(seconds(1));
  EXPECT_EQ(standing_of(*route_).footing, "down");
  EXPECT_THAT(standing_of(*route_).because, HasSubstr("the target doesn't take records: "));
  target_.down = false;
  loop_.run(seconds(60));
  EXPECT_EQ(standing_of(*route_).footing, "healthy");
}

TEST_F(RouteTest, TheFirstIsReturnedToAndGetsWhatIsNew) {
  put_for(seconds(2));
  a_.down = true;
  until_used(1);
  put_for(seconds(1));
  a_.down = false;
  const auto took = until_used(0);
  EXPECT_GE(took, seconds(70));
  EXPECT_LE(took, seconds(90));
  put_for(seconds(1));
  expect_all_in_order();
  EXPECT_EQ(a_.stored.size() + b_.stored.size(), static_cast<std::size_t>(last_)) << "each once";
  ASSERT_EQ(unsent("a").size(), 1u);
  const auto [first, behind] = unsent("a").front();
  EXPECT_EQ(behind.value - first.value, b_.stored.size());
}

TEST_F(RouteTest, WhereNoneServesRecordsWaitAndGoWhereTheyCan) {
  put_for(seconds(1));
  a_.down = b_.down = true;
  put_for(seconds(30));
  EXPECT_EQ(route_->choice().target, std::nullopt);
  EXPECT_GT(delivery_->held(), 1'000u);
  b_.down = false;
  EXPECT_LE(until_used(1), seconds(2));
  put_for(seconds(2));
  EXPECT_EQ(delivery_->held(), 0u);
  expect_all_in_order();
}

TEST_F(RouteTest, ARestartGoesOnWhereTheLastTargetWas) {
  put_for(seconds(1));
  a_.down = true;
  until_used(1);
  put_for(seconds(1));
  kill_and_restart();
  put_for(seconds(5));
  EXPECT_EQ(delivery_->held(), 0u);
  EXPECT_EQ(a_.stored.size() + b_.stored.size(), static_cast<std::size_t>(last_))
      << "nothing that either has is sent again";
}

TEST_F(RouteTest, ARecordGivenUpAtOneIsNotSentToTheOther) {
  put_for(seconds(1));
  a_.poisonous = fmt::format("k-{}", last_ + 1);
  put_for(milliseconds(20));
  a_.down = true;
  until_used(1);
  put_for(seconds(1));
  EXPECT_EQ(delivery_->held(), 0u);
  EXPECT_EQ(a_.stored.size() + b_.stored.size(), static_cast<std::size_t>(last_) - 1);
}

TEST_F(RouteTest, WhatADurableCursorOfAnyTargetIsPastIsDelivered) {
  const auto delivered = [this] {
    std::uint64_t records = 0;
    for (const auto& [shard, before] : delivery_->delivered()) records += before.value;
    return records;
  };
  put_for(seconds(1));
  a_.down = true;
  until_used(1);
  put_for(seconds(1));
  EXPECT_EQ(delivered(), static_cast<std::uint64_t>(last_));
  a_.down = false;
  until_used(0);
  put_for(seconds(1));
  EXPECT_EQ(delivered(), static_cast<std::uint64_t>(last_));
}

}  // namespace
}  // namespace spillway::broker
