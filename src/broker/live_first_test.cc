#include <gmock/gmock.h>

#include "broker/delivery_samples.h"

namespace spillway::broker {
namespace {

using testing::Contains;
using testing::HasSubstr;

class LiveFirstTest : public DeliveryTest {
 protected:
  LiveFirstTest() {
    catch_up_ = {.live_first = true, .backlog_min = 10};
    delivery_->set_catch_up(catch_up_);
  }
  // Records of a, from an outage: the first 5 were sent before it, the 6th as it began. The others
  // are left behind when record `count` + 1 is put.
  void leave_behind(int count) {
    put("a", 1, 5);
    loop_.run(seconds(1));
    target_.down = true;
    put("a", 6, 1);
    loop_.run(seconds(5));
    put("a", 7, count - 6);
    loop_.run(seconds(5));
  }
  // With the request under way that the outage held up; step() answers what is.
  void bring_back_silent() {
    target_.silent = true;
    target_.down = false;
    target_.answer();
    for (int i = 0; i < 100 && target_.in_flight == 0; ++i) loop_.run(milliseconds(100));
    ASSERT_EQ(target_.in_flight, 1);
  }
  void step() {
    target_.answer();
    loop_.run();
  }
  // The end comes, of which some is left behind.
  void expect_quick_end() {
    EXPECT_GT(delivery_->left_behind(), 0u);
    bool ended = false;
    delivery_->drain(seconds(60), [&] { ended = true; });
    loop_.run(seconds(2));
    EXPECT_TRUE(ended);
    running_ = !ended;
  }
  stream::ShardId shard() const {
    for (const auto& of : delivery_->under_way())
      if (of.tip.value > 0) return of.id;
    return 0;
  }
  // Numbers, in the order in which they were stored.
  std::vector<int> order() const { return stored()["a"]; }
  // Each names the one before it.
  void expect_linked() const {
    for (const auto& entry : target_.stored)
      EXPECT_EQ(entry.origin->previous, entry.origin->sequence - 1) << entry.data;
  }
};

TEST_F(LiveFirstTest, WhatComesGoesBeforeABacklog) {
  leave_behind(2000);
  bring_back_silent();
  put("a", 2001, 3);
  step();
  EXPECT_EQ(order(), up_to(6));
  EXPECT_EQ(delivery_->left_behind(), 1997u) << "with what came in the meantime";
  EXPECT_EQ(delivery_->held(), 1997u);
  EXPECT_EQ(delivery_->delivered().at(shard()).value, 6u) << "the spool has to keep it";
  EXPECT_EQ(delivery_->needed(), 1997u);
  put("a", 2004, 2);
  step();
  EXPECT_EQ(order().back(), 506) << "500 of what was left behind";
  step();
  EXPECT_EQ(order().back(), 2005) << "then what had come";
  EXPECT_EQ(delivery_->needed(), 1499u);
  target_.silent = false;
  target_.answer();
  loop_.run(seconds(5));
  auto numbers = order();
  EXPECT_EQ(numbers.back(), 2003);
  std::ranges::sort(numbers);
  EXPECT_EQ(numbers, up_to(2005)) << "each once";
  EXPECT_EQ(delivery_->held(), 0u);
  EXPECT_EQ(delivery_->delivered().at(shard()).value, 2005u);
  expect_linked();
}

TEST_F(LiveFirstTest, AFewAreSentInTheirOrder) {
  leave_behind(14);
  target_.down = false;
  loop_.run(seconds(5));
  put("a", 15, 1);
  loop_.run(seconds(5));
  EXPECT_EQ(order(), up_to(15));
}

// Also from amid what was left behind: what was known of lanes there is so no more.
TEST_F(LiveFirstTest, ARestartGoesOnWithWhatWasLeftBehind) {
  leave_behind(1200);
  bring_back_silent();
  step();
  step();
  ASSERT_EQ(delivery_->left_behind(), 694u);
  kill_and_restart();
  EXPECT_EQ(delivery_->left_behind(), 0u) << "it is sent";
  loop_.run(seconds(5));
  auto numbers = order();
  std::ranges::sort(numbers);
  const auto copies = std::ranges::unique(numbers);
  EXPECT_LE(copies.size(), 500u) << "at most the request that was under way";
  numbers.erase(copies.begin(), copies.end());
  EXPECT_EQ(numbers, up_to(1200));
  expect_linked();
}

TEST_F(LiveFirstTest, WhatAnEarlierStartLeftGoesBehindWhatComes) {
  leave_behind(1000);
  kill_and_restart();
  target_.down = true;
  loop_.run(seconds(5));
  put("a", 1001, 9);
  loop_.run(seconds(5));
  EXPECT_EQ(delivery_->left_behind(), 995u) << "at the start, though nothing could be sent";
  target_.down = false;
  loop_.run(seconds(5));
  EXPECT_EQ(order()[505], 1001) << "behind the request that the outage held up";
  EXPECT_EQ(delivery_->held(), 0u);
  auto numbers = order();
  std::ranges::sort(numbers);
  EXPECT_EQ(numbers, up_to(1009));
}

TEST_F(LiveFirstTest, WhatWasLeftBehindIsDroppedFirst) {
  leave_behind(1000);
  kill_and_restart();
  target_.down = true;
  put("a", 1001, 5);
  loop_.run(seconds(5));
  const auto held = delivery_->undelivered().at(shard());
  EXPECT_EQ(held, (PositionRange{{5}, {1005}}));
  delivery_->give_up_before({{shard(), {400}}});
  loop_.run(seconds(5));
  EXPECT_EQ(delivery_->dropped(), 395u) << "while others wait to be sent";
  EXPECT_EQ(delivery_->left_behind(), 600u);
  EXPECT_EQ(delivery_->delivered().at(shard()).value, 400u);
  delivery_->give_up_before({{shard(), {1002}}});
  loop_.run(seconds(5));
  EXPECT_EQ(delivery_->dropped(), 997u);
  EXPECT_EQ(delivery_->delivered().at(shard()).value, 1002u);
  target_.down = false;
  loop_.run(seconds(5));
  auto expected = up_to(5);
  for (int i = 1003; i <= 1005; ++i) expected.push_back(i);
  EXPECT_EQ(order(), expected);
}

TEST_F(LiveFirstTest, DamageInWhatWasLeftBehindIsPassedOver) {
  leave_behind(1000);
  for (int i = 1001; i <= 1100; ++i) put("a", i, 1);
  engine_.damaged = {1020, 1030};
  target_.down = false;
  loop_.run(seconds(20));
  auto numbers = order();
  std::ranges::sort(numbers);
  auto expected = up_to(1100);
  expected.erase(expected.begin() + 1020, expected.begin() + 1030);
  EXPECT_EQ(numbers, expected);
  EXPECT_EQ(delivery_->held(), 0u);
  EXPECT_THAT(metrics_.prometheus_text(), HasSubstr("spillway_broker_unreadable_records_total 10"));
}

TEST_F(LiveFirstTest, DamageInWhatWasLeftBehindIsPassedOverWhileOthersCome) {
  leave_behind(7);
  for (int i = 8; i <= 1000; ++i) put("a", i, 1);
  engine_.damaged = {6, 16};
  target_.down = false;
  loop_.run(seconds(1));
  for (int i = 1001; i <= 1050; ++i) {
    put("a", i, 1);
    loop_.run(milliseconds(200));
    EXPECT_THAT(order(), Contains(i)) << "it doesn't wait for what was left behind";
  }
  EXPECT_EQ(delivery_->held(), 0u);
  auto numbers = order();
  std::ranges::sort(numbers);
  auto expected = up_to(1050);
  expected.erase(expected.begin() + 6, expected.begin() + 16);
  EXPECT_EQ(numbers, expected);
}

TEST_F(LiveFirstTest, DamageInWhatWasLeftBehindSaysNothingOfWhatComes) {
  leave_behind(1000);
  engine_.damaged = {6, 7};
  target_.down = false;
  while (order().size() < 6) loop_.run(milliseconds(50));
  loop_.run(milliseconds(2500));
  ASSERT_EQ(delivery_->left_behind(), 994u) << "read in vain, and to be read once more";
  engine_.damaged = {1000, 1001};
  put("a", 1001, 1);
  loop_.run(milliseconds(600));
  engine_.damaged = {0, 0};
  loop_.run(seconds(5));
  auto numbers = order();
  std::ranges::sort(numbers);
  EXPECT_EQ(numbers, up_to(1001));
}

TEST_F(LiveFirstTest, WhatWasLeftBehindTakesNoTurnOfWhatComes) {
  leave_behind(2000);
  bring_back_silent();
  step();
  loop_.run(milliseconds(100));
  auto& took = metrics_.histogram("spillway_spool_put_seconds", "");
  took.record(seconds(1));
  put("b", 1, 1);
  loop_.run();
  ASSERT_EQ(metrics_.gauge("spillway_broker_yields", "").value(), 1);
  std::vector<std::string> data;
  std::vector<stream::RecordView> records;
  data.reserve(8);
  records.reserve(8);
  for (int i = 2; i < 10; ++i) {
    data.push_back(fmt::format("b-{}{:1000000}", i, ""));
    records.push_back({"b", data.back(), std::nullopt, std::nullopt});
  }
  ASSERT_EQ(put(records), 0u);
  target_.silent = false;
  target_.answer();
  loop_.run();
  EXPECT_EQ(delivery_->left_behind(), 1494u);
  for (int i = 0; i < 8; ++i) {
    took.record(seconds(1));
    loop_.run(milliseconds(50));
    EXPECT_LT(stored()["b"].size(), 9u);
    EXPECT_EQ(delivery_->left_behind(), 1494u) << "others wait for their turn";
  }
  loop_.run(seconds(5));
  EXPECT_EQ(delivery_->held(), 0u);
}

// Two shards read some of it at the same time, and there is a turn for one.
TEST_F(LiveFirstTest, WhatWasReadOfItGivesWayToo) {
  for (const auto* key : {"a", "b"}) put(key, 1, 5);
  loop_.run(seconds(1));
  target_.down = true;
  for (const auto* key : {"a", "b"}) put(key, 6, 1);
  loop_.run(seconds(5));
  const std::string filler(100'000, ' ');
  for (const auto* key : {"a", "b"}) {
    for (int i = 7; i < 27; ++i) {
      const std::string data = fmt::format("{}-{}{}", key, i, filler);
      const std::vector<stream::RecordView> record{{key, data, std::nullopt, std::nullopt}};
      ASSERT_EQ(put(record), 0u);
    }
  }
  target_.silent = true;
  target_.down = false;
  target_.answer();
  loop_.run(seconds(1));
  ASSERT_EQ(target_.in_flight, 2);
  metrics_.histogram("spillway_spool_put_seconds", "").record(seconds(1));
  step();
  EXPECT_EQ(delivery_->left_behind(), 40u);
  EXPECT_EQ(target_.in_flight, 1);
  for (const auto* key : {"a", "b"}) put(key, 27, 1);
  target_.silent = false;
  target_.answer();
  loop_.run(seconds(5));
  EXPECT_EQ(delivery_->held(), 0u);
  const auto numbers = stored();
  EXPECT_EQ(numbers.at("b")[6], 7) << "it was the first to read";
  EXPECT_EQ(numbers.at("a")[6], 27) << "what comes has the next turn";
}

TEST_F(LiveFirstTest, WhatWasLeftBehindGoesOnHoweverMuchComes) {
  leave_behind(2000);
  bring_back_silent();
  step();
  for (int i = 0; i < 31; ++i) {
    put("a", 2001 + 600 * i, 600);
    loop_.run(milliseconds(100));
    step();
  }
  EXPECT_EQ(delivery_->left_behind(), 494u) << "a request a second, of those that may be larger";
}

TEST_F(LiveFirstTest, ASwitchBetweenTargetsThatTakeRecordsLeavesNothingBehind) {
  has_other_ = true;
  drain(seconds(1));
  replace();
  for (const auto* key : {"a", "b"}) put(key, 1, 5);
  loop_.run(seconds(1));
  target_.silent = true;
  for (const auto* key : {"a", "b"}) put(key, 6, 1);
  loop_.run();
  ASSERT_EQ(target_.in_flight, 2) << "of two shards";
  for (const auto* key : {"a", "b"}) put(key, 7, 994);
  other_.silent = true;
  EXPECT_TRUE(route_->hold(1, "by hand").ok());
  for (int i = 0; i < 10; ++i) {  // the one may wait for the stream that the other prepares
    loop_.run(milliseconds(50));
    other_.answer();
    EXPECT_EQ(delivery_->left_behind(), 0u);
  }
  EXPECT_EQ(delivery_->held(), 0u);
  const auto all = up_to(1000);
  for (const auto* key : {"a", "b"})
    EXPECT_EQ(other_.stored_numbers()[key], std::vector(all.begin() + 5, all.end()));
}

TEST_F(LiveFirstTest, ASwitchFromATargetThatTookNothingLeavesTheBacklogBehind) {
  has_other_ = true;
  drain(seconds(1));
  replace();
  put("a", 1, 5);
  loop_.run(seconds(1));
  target_.silent = other_.silent = true;
  put("a", 6, 1);
  loop_.run(milliseconds(600));
  put("a", 7, 994);
  EXPECT_TRUE(route_->hold(1, "by hand").ok());
  loop_.run();
  for (int i = 0; i < 2; ++i) {  // that the stream is there, and the request
    other_.answer();
    loop_.run();
  }
  EXPECT_EQ(other_.stored_numbers()["a"], std::vector<int>{6});
  EXPECT_EQ(delivery_->left_behind(), 994u);
}

// As where the clock is years ahead for a while. What the outage held up was read before.
TEST_F(LiveFirstTest, AReadThatFindsNothingGivesNothingUp) {
  leave_behind(700);
  put("a", 701, 300);
  kill_and_restart();
  target_.down = true;
  loop_.run(seconds(5));
  ASSERT_EQ(delivery_->left_behind(), 995u);
  engine_.expired = 1000;
  target_.down = false;
  loop_.run(seconds(30));
  EXPECT_EQ(delivery_->left_behind(), 495u);
  EXPECT_EQ(delivery_->delivered().at(shard()).value, 505u);
  engine_.expired = 700;
  loop_.run(seconds(5));
  EXPECT_EQ(delivery_->held(), 0u);
  EXPECT_THAT(metrics_.prometheus_text(), HasSubstr("spillway_broker_unreadable_records_total 195"))
      << "nothing is before what a read begins with";
  EXPECT_EQ(order().size(), 805u);
}

TEST_F(LiveFirstTest, WhatWasLeftBehindIsUnsentAndInFlight) {
  leave_behind(1200);
  bring_back_silent();
  step();
  const auto behind = [&] {
    for (const auto& of : delivery_->under_way())
      if (of.id == shard()) return of;
    return ShardUnderWay();
  };
  EXPECT_EQ(delivery_->undelivered().at(shard()), (PositionRange{{6}, {1200}})) << "the oldest";
  EXPECT_EQ(behind().left_behind, 1194u);
  EXPECT_EQ(behind().at.value, 1200u);
  EXPECT_EQ(behind().in_flight, 500u);
  EXPECT_EQ(behind().in_flight_end.value, 506u);
  step();
  EXPECT_EQ(behind().left_behind, 694u);
}

TEST_F(LiveFirstTest, OldestFirstAgainSendsWhatWasLeftBehindFirst) {
  leave_behind(1000);
  kill_and_restart();
  target_.down = true;
  loop_.run(seconds(5));
  delivery_->set_catch_up({});
  put("a", 1001, 5);
  loop_.run(seconds(5));
  target_.down = false;
  loop_.run(seconds(5));
  EXPECT_EQ(order(), up_to(1005));
}

TEST_F(LiveFirstTest, TheEndWaitsForNothingThatWasLeftBehind) {
  leave_behind(1000);
  bring_back_silent();
  step();
  EXPECT_EQ(delivery_->left_behind(), 994u);
  put("a", 1001, 3);
  bool ended = false;
  delivery_->drain(seconds(60), [&] { ended = true; });
  target_.silent = false;
  target_.answer();
  loop_.run(seconds(1));
  EXPECT_TRUE(ended);
  running_ = false;
  EXPECT_EQ(order().back(), 1003);
  EXPECT_EQ(delivery_->left_behind(), 494u) << "but for what was under way";
}

TEST_F(LiveFirstTest, TheEndWaitsForNoTargetToTakeWhatWasLeftBehind) {
  leave_behind(1000);
  bring_back_silent();
  step();
  target_.silent = false;
  target_.down = true;
  target_.answer();
  loop_.run(seconds(5));
  expect_quick_end();
}

TEST_F(LiveFirstTest, TheEndWaitsForNoTargetWhereOnlySomeIsLeftBehind) {
  leave_behind(1000);
  bring_back_silent();
  step();
  route_->set_back(0, "set back");
  step();
  loop_.run(seconds(5));
  expect_quick_end();
}

// Also where the target never stopped taking what waits.
TEST_F(LiveFirstTest, LiveFirstFromNowOnLeavesBehindWhatWaits) {
  delivery_->set_catch_up({});
  leave_behind(3000);
  bring_back_silent();
  step();
  step();
  ASSERT_EQ(order(), up_to(506));
  delivery_->set_catch_up(catch_up_);
  put("a", 3001, 3);
  step();
  EXPECT_EQ(order(), up_to(1006)) << "what was under way";
  EXPECT_EQ(delivery_->left_behind(), 3003u - 1006);
}

}  // namespace
}  // namespace spillway::broker
