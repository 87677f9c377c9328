#include "broker/delivery.h"

#include <gmock/gmock.h>

#include <map>

#include "broker/delivery_samples.h"
#include "broker/make_room.h"

namespace spillway::broker {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(DeliveryTest, SendsWhatIsSpooledInOrder) {
  EXPECT_FALSE(route_->link(0).status().ok());
  EXPECT_EQ(flowed_, 0);
  put("a", 1, 3);
  put("b", 1, 1200);
  loop_.run(seconds(1));
  EXPECT_EQ(flowed_, 1);
  EXPECT_TRUE(route_->link(0).status().ok());
  EXPECT_EQ(stored()["a"], up_to(3));
  EXPECT_EQ(stored()["b"], up_to(1200));
  EXPECT_EQ(delivery_->held(), 0u);
  EXPECT_EQ(route_->link(0).acknowledged(), 1203u);
  EXPECT_THAT(target_.prepared, ElementsAre("s")) << "once for all shards";
}

TEST_F(DeliveryTest, YieldsWhileAcknowledgementsAreSlow) {
  const auto& yields = metrics_.gauge("spillway_broker_yields", "");
  put("a", 1, 1);
  loop_.run(seconds(1));
  EXPECT_EQ(yields.value(), 0);
  metrics_.histogram("spillway_spool_put_seconds", "").record(seconds(1));
  put("a", 2, 1);
  loop_.run(seconds(1));
  EXPECT_EQ(yields.value(), 1);
  const std::string data(1'000'000, 'x');
  const std::vector<stream::RecordView> records(5, {"a", data, std::nullopt, std::nullopt});
  ASSERT_EQ(put(records), 0u);
  loop_.run();
  EXPECT_EQ(delivery_->held(), 4u) << "the next one waits for its turn";
  loop_.run(seconds(1));
  EXPECT_EQ(delivery_->held(), 0u);
  EXPECT_EQ(yields.value(), 0) << "nothing arrives any more";
}

// Which a pace of data alone would be slower than.
TEST_F(DeliveryTest, WhileItYieldsABacklogOfKeysGrowsSmaller) {
  auto& took = metrics_.histogram("spillway_spool_put_seconds", "");
  const auto arrive = [this](int first) {  // 600 kB
    std::vector<std::string> keys;
    std::vector<stream::RecordView> records;
    keys.reserve(2400);
    records.reserve(2400);
    for (int i = first; i < first + 2400; ++i) {
      keys.push_back(fmt::format("{:0250}", i));
      records.push_back({keys.back(), "", std::nullopt, std::nullopt});
    }
    EXPECT_EQ(put(records), 0u);
  };
  put("a", 1, 1);
  loop_.run(seconds(1));
  for (int i = 0; i < 50; ++i) {
    arrive(2400 * i);
    took.record(seconds(1));
    loop_.run(milliseconds(100));
  }
  EXPECT_EQ(metrics_.gauge("spillway_broker_yields", "").value(), 1);
  EXPECT_LT(delivery_->held(), 3u * 2400);
}

TEST_F(DeliveryTest, ATargetThatFailsAllEntriesForLongLosesNothing) {
  put("a", 1, 1);
  loop_.run(seconds(1));
  target_.refuse_every = 1;
  put("a", 2, 20);
  loop_.run(seconds(200));
  EXPECT_GT(target_.puts, 100) << "each doubles what a request may hold";
  target_.refuse_every = 0;
  loop_.run(seconds(5));
  EXPECT_EQ(stored()["a"], up_to(21));
}

// Which may store any of what a request holds: with one record of a lane in a request, whatever
// fails is sent again before what is behind it.
TEST_F(DeliveryTest, LanesStayInOrderAtATargetThatKeepsNone) {
  for (const auto packing : {LanePacking::kSingle, LanePacking::kAggregate}) {
    target_.stored.clear();
    target_.packed_as = packing;
    target_.refuse_every = 3;
    for (int i = 1; i <= 20; ++i)
      for (int key = 0; key < 600; key += 30) put(fmt::format("key {}", key), i, 1);
    loop_.run(seconds(600));
    ASSERT_EQ(delivery_->held(), 0u);
    std::map<std::uint8_t, std::uint64_t> lanes;
    for (const auto& entry : target_.stored) {
      const auto& origin = *entry.origin;
      EXPECT_TRUE(lanes[origin.lane] == 0 || origin.previous == lanes[origin.lane]);
      lanes[origin.lane] = origin.sequence;
    }
    EXPECT_EQ(target_.stored.size(), 400u) << "each once";
  }
}

TEST_F(DeliveryTest, ALaneThatFailsHoldsUpNoOtherOfItsBatch) {
  target_.packed_as = LanePacking::kSingle;
  const auto lane_of = [](const std::string& key) {
    return stream::lane_of(stream::hash_key_of(key));
  };
  constexpr int kLanesOfShard = stream::kLanes / Spool::kShards;
  const auto lane = lane_of("a");
  std::string other = "b";
  while (lane_of(other) / kLanesOfShard != lane / kLanesOfShard || lane_of(other) == lane)
    other += "b";
  put("a", 1, 1);
  loop_.run(seconds(1));
  target_.silent = true;
  put("a", 2, 1);
  loop_.run();
  put("a", 3, 2);  // these wait, and are one batch
  put(other, 1, 3);
  target_.silent = false;
  target_.answer();
  target_.refuse_lane = lane;
  loop_.run(seconds(10));
  EXPECT_EQ(stored()[other], up_to(3));
  EXPECT_EQ(stored()["a"], up_to(2));
  target_.refuse_lane.reset();
  loop_.run(seconds(10));
  EXPECT_EQ(stored()["a"], up_to(4));
}

TEST_F(DeliveryTest, DamageThatTheNextReadDoesNotFindCostsNothing) {
  engine_.damaged = {0, 3};
  put("a", 1, 3);
  loop_.run(milliseconds(1500));
  engine_.damaged = {0, 0};
  loop_.run(seconds(5));
  EXPECT_EQ(stored()["a"], up_to(3));
}

TEST_F(DeliveryTest, DamagedRecordsArePassedOver) {
  put("a", 1, 1);
  loop_.run(seconds(5));
  target_.silent = true;
  for (int i = 2; i <= 100; ++i) put("a", i, 1);
  engine_.damaged = {40, 61};
  target_.silent = false;
  target_.answer();
  loop_.run(seconds(5));
  put("a", 101, 1);
  loop_.run(seconds(5));
  auto expected = up_to(40);
  for (int i = 62; i <= 101; ++i) expected.push_back(i);
  EXPECT_EQ(stored()["a"], expected);
  EXPECT_EQ(delivery_->held(), 0u);
  EXPECT_THAT(metrics_.prometheus_text(), HasSubstr("spillway_broker_unreadable_records_total 21"));
  EXPECT_THAT(log_.events, Contains("records in the spool are damaged, they are given up"));
}

TEST_F(DeliveryTest, DamageUpToTheTipIsPassedOver) {
  engine_.damaged = {0, 3};
  put("a", 1, 1);
  put("a", 2, 1);
  put("a", 3, 1);
  loop_.run(seconds(5));
  put("a", 4, 1);
  loop_.run(seconds(5));
  EXPECT_EQ(stored()["a"], std::vector<int>{4});
  EXPECT_THAT(metrics_.prometheus_text(), HasSubstr("spillway_broker_unreadable_records_total 3"));
}

TEST_F(DeliveryTest, WhatWasPassedOverHoldsUpNoRoom) {
  engine_.damaged = {0, 3};
  target_.down = true;
  put("a", 1, 3);    // damaged up to the tip
  put("b", 1, 100);  // and in a batch, of which then nothing is found
  SpoolRoom room({.bytes = 1000, .when_full = WhenFull::kDropOldest}, engine_, log_, metrics_);
  SpoolPacking packing;
  OldestRecords oldest;
  engine_.stored = 1000;
  for (int second = 0; second < 60; ++second) {
    make_room(room, packing, oldest, *delivery_, *cursors_, loop_.mono_now());
    loop_.run(seconds(1));
  }
  EXPECT_GT(delivery_->dropped(), 60u) << "an eighth at a time";
  const auto delivered = delivery_->delivered();
  for (const auto& [shard, range] : delivery_->undelivered())
    EXPECT_EQ(delivered.at(shard), range.first);
  std::uint64_t missing = 0;
  for (const auto& [shard, next] : delivered) missing += count_of(cursors_->missing(shard, "b"));
  EXPECT_EQ(missing, 0u) << "no target has any of these";
}

TEST_F(DeliveryTest, OneRequestInFlightForEachShard) {
  put("a", 1, 1);
  loop_.run(seconds(1));
  target_.silent = true;
  for (int i = 2; i <= 50; ++i) {
    put("a", i, 1);
    loop_.run();
  }
  EXPECT_EQ(target_.in_flight, 1);
  target_.answer();
  loop_.run();
  EXPECT_EQ(target_.puts, 3) << "what came meanwhile is one request";
  target_.silent = false;
  target_.answer();
  loop_.run(seconds(1));
  EXPECT_EQ(stored()["a"], up_to(50));
}

TEST_F(DeliveryTest, ARequestHasABound) {
  const std::string data(300'000, 'x');
  const std::vector<stream::RecordView> records(8, {"a", data, std::nullopt, std::nullopt});
  EXPECT_EQ(put(records), 0u);
  loop_.run(seconds(1));
  EXPECT_EQ(target_.stored.size(), 8u);
  EXPECT_EQ(target_.puts, 3) << "three of 300 kB fit one request of 1 MiB";
}

TEST_F(DeliveryTest, OnlyWhatWasRefusedIsSentAgainBeforeTheShardGoesOn) {
  target_.refuse_every = 3;
  put("a", 1, 100);
  put("b", 1, 100);
  loop_.run();
  put("a", 101, 1);
  loop_.run(seconds(60));
  auto all = stored();
  EXPECT_EQ(all["a"].back(), 101) << "nothing later before it";
  for (const auto* key : {"a", "b"}) std::ranges::sort(all[key]);
  EXPECT_EQ(all["a"], up_to(101)) << "each once";
  EXPECT_EQ(all["b"], up_to(100));
}

TEST_F(DeliveryTest, SaysOnceThatTheTargetIsDownAndGoesOnWhenItIsBack) {
  put("a", 1, 1);
  loop_.run(seconds(1));
  target_.down = true;
  for (int i = 2; i <= 20; ++i) {
    put("a", i, 1);
    put("b", i - 1, 1);
    loop_.run(seconds(10));
  }
  EXPECT_THAT(log_.events, ElementsAre("target is down, its records wait in the spool"));
  EXPECT_THAT(route_->link(0).status().error().message, HasSubstr("connection refused"));
  EXPECT_THAT(metrics_.prometheus_text(), HasSubstr(R"(spillway_broker_target_up{target="a"} 0)"));
  EXPECT_EQ(delivery_->held(), 38u);
  target_.down = false;
  loop_.run(seconds(3));
  EXPECT_THAT(log_.events,
              ElementsAre("target is down, its records wait in the spool", "target is back"));
  EXPECT_EQ(stored()["a"], up_to(20));
  EXPECT_EQ(stored()["b"], up_to(19));
}

TEST_F(DeliveryTest, OneThatDeniesIsNotCalledDown) {
  target_.down = true;
  put("a", 1, 1);
  loop_.run(seconds(5));
  target_.down = false;
  target_.denies = true;
  loop_.run(seconds(30));
  EXPECT_THAT(log_.events,
              ElementsAre("target is down, its records wait in the spool",
                          "target denies the broker's requests, its records wait in the spool"));
  target_.denies = false;
  loop_.run(seconds(10));
  EXPECT_EQ(log_.events.back(), "target is back");
}

TEST_F(DeliveryTest, WhatIsGivenUpForRoomIsGoneAndNobodyWaitsForIt) {
  put("a", 1, 5);
  loop_.run(seconds(1));
  target_.down = true;
  for (int i = 6; i <= 100; ++i) put("a", i, 1);
  loop_.run(seconds(5));
  stream::ShardId shard = 0;
  for (const auto& [of, range] : delivery_->undelivered())
    if (range.first < range.second) shard = of;
  EXPECT_EQ(delivery_->undelivered().at(shard), (PositionRange{{5}, {100}}));
  delivery_->give_up_before({{shard, {40}}});
  delivery_->give_up_before({{shard, {30}}});
  loop_.run(seconds(5));
  EXPECT_EQ(delivery_->delivered().at(shard).value, 40u)
      << "its room is free while nobody takes it";
  EXPECT_EQ(delivery_->dropped(), 35u);
  EXPECT_EQ(delivery_->held(), 60u);
  EXPECT_THAT(log_.events,
              Contains("the spool is full: accepted records are dropped, the oldest first"));
  kill_and_restart();
  target_.down = false;
  loop_.run(seconds(5));
  auto expected = up_to(5);
  for (int i = 41; i <= 100; ++i) expected.push_back(i);
  EXPECT_EQ(stored()["a"], expected);
  EXPECT_EQ(target_.stored[5].origin->sequence, 41u);
  EXPECT_EQ(target_.stored[5].origin->previous, 5u);
}

TEST_F(DeliveryTest, WhatIsDeliveredMeanwhileIsNotGivenUp) {
  target_.silent = true;
  put("a", 1, 10);
  loop_.run(seconds(1));
  target_.answer();  // to prepare
  loop_.run(seconds(1));
  EXPECT_EQ(target_.in_flight, 1);
  stream::ShardId shard = 0;
  for (const auto& [of, range] : delivery_->undelivered())
    if (range.first < range.second) shard = of;
  delivery_->give_up_before({{shard, {10}}});
  target_.silent = false;
  target_.answer();
  loop_.run(seconds(1));
  EXPECT_EQ(stored()["a"], up_to(10));
  EXPECT_EQ(delivery_->dropped(), 0u);
}

TEST_F(DeliveryTest, OfARequestThatIsGivenUpWhatWasTakenCountsAsSent) {
  target_.refuse_every = 6;
  put("a", 1, 7);
  while (target_.puts == 0 || target_.in_flight > 0) loop_.run(milliseconds(1));
  target_.refuse_every = 1;
  loop_.run(seconds(1));
  ASSERT_EQ(stored()["a"].size(), 6u) << "6 is to be sent again";
  stream::ShardId shard = 0;
  for (const auto& [of, range] : delivery_->undelivered())
    if (range.first < range.second) shard = of;
  delivery_->give_up_before({{shard, {7}}});
  loop_.run(seconds(5));
  target_.refuse_every = 0;
  put("a", 8, 1);
  loop_.run(seconds(5));
  EXPECT_EQ(stored()["a"], (std::vector<int>{1, 2, 3, 4, 5, 7, 8})) << "each once";
  EXPECT_EQ(delivery_->dropped(), 1u);
  EXPECT_EQ(target_.stored.back().origin->previous, 7u);
}

TEST_F(DeliveryTest, AStreamThatIsAddedIsDeliveredToo) {
  put("a", 1, 1);
  loop_.run(seconds(1));
  const std::vector<std::string> streams = {"s", "t"};
  start(spool_->open(loop_, streams),
        UniqueFunction<void(Status)>([](const Status& status) { EXPECT_TRUE(status.ok()); }));
  loop_.run();
  delivery_->add(streams);
  delivery_->add(streams);
  const std::vector<stream::RecordView> records = {{.partition_key = "b", .data = "b-1"}};
  spool_->put("t", records, [](const Spool::Outcomes& outcomes) { EXPECT_TRUE(outcomes[0].ok()); });
  EXPECT_THAT(delivery_->held_streams(), ElementsAre("t"));
  put("a", 2, 1);
  EXPECT_THAT(delivery_->held_streams(), ElementsAre("s", "t"));
  loop_.run(seconds(1));
  EXPECT_THAT(delivery_->held_streams(), testing::IsEmpty());
  EXPECT_EQ(stored()["a"], up_to(2));
  EXPECT_EQ(stored()["b"], up_to(1)) << "once";
  EXPECT_EQ(target_.stored[1].origin->producer == target_.stored[0].origin->producer ||
                target_.stored[2].origin->producer == target_.stored[0].origin->producer,
            true)
      << "the stream that was there goes on as the producer that it was";
  EXPECT_THAT(target_.prepared, ElementsAre("s", "t"));
}

TEST_F(DeliveryTest, AStreamThatIsGoneIsMadeAgain) {
  put("a", 1, 1);
  loop_.run(seconds(1));
  target_.gone = true;
  put("a", 2, 1);
  loop_.run(seconds(3));
  EXPECT_EQ(target_.prepared.size(), 2u);
  EXPECT_EQ(stored()["a"], up_to(2));
}

TEST_F(DeliveryTest, ATargetThatDeniesIsAskedOnceForAllShardsEverMoreRarely) {
  target_.denies = true;
  const std::vector<std::string> keys = {"a", "b", "c", "d", "e", "f", "g", "h"};
  for (const auto& key : keys) put(key, 1, 1);
  loop_.run(seconds(60));
  EXPECT_THAT(target_.prepared.size(), testing::AllOf(testing::Ge(11u), testing::Le(17u)));
  target_.denies = false;
  loop_.run(seconds(7));
  EXPECT_EQ(target_.stored.size(), keys.size());
  // What it took to get there is forgotten.
  target_.gone = target_.denies = true;
  put("a", 2, 1);
  loop_.run(milliseconds(150));
  target_.denies = false;
  loop_.run(milliseconds(1500));
  EXPECT_EQ(stored()["a"], up_to(2));
}

TEST_F(DeliveryTest, ARecordThatIsRefusedAloneIsGivenUp) {
  put("a", 1, 1);
  loop_.run(seconds(1));
  for (const bool entries : {false, true}) {
    target_.refuses_entries = entries;
    target_.stored.clear();
    target_.poisonous = entries ? "a-300" : "a-100";
    put("a", entries ? 202 : 2, 200);
    loop_.run(seconds(1));
    EXPECT_EQ(target_.stored.size(), 199u);
    EXPECT_EQ(delivery_->held(), 0u);
    EXPECT_TRUE(route_->link(0).status().ok()) << "a target that takes others is up";
    // Nobody waits for the record that never came.
    std::uint64_t last = target_.stored.front().origin->previous;
    for (const auto& entry : target_.stored) {
      EXPECT_EQ(entry.origin->previous, last) << entry.data;
      last = entry.origin->sequence;
    }
  }
  const std::string given_up = "the target refuses a record for what it is, it is given up";
  EXPECT_THAT(log_.events, ElementsAre(given_up, given_up));
  EXPECT_THAT(metrics_.prometheus_text(),
              HasSubstr(R"(spillway_broker_given_up_records_total{target="a"} 2)"));
  target_.poisonous = "a-500";
  put("a", 402, 99);
  loop_.run(seconds(1));
  kill_and_restart();
  put("a", 501, 1);
  loop_.run(seconds(1));
  EXPECT_EQ(target_.stored.back().origin->previous, 0u) << "of another producer";
  EXPECT_EQ(std::prev(target_.stored.end(), 2)->data, "a-499");
}

TEST_F(DeliveryTest, TheLogIsToldOfSomeOfWhatIsGivenUp) {
  put("a", 1, 1);
  loop_.run(seconds(1));
  target_.poisonous = "b";
  put("b", 1, 100);
  loop_.run(seconds(1));
  EXPECT_EQ(log_.events.size(), TargetLink::kToldMax);
  loop_.run(TargetLink::kToldWithin);
  put("b", 101, 1);
  loop_.run(seconds(1));
  EXPECT_EQ(log_.events.size(), TargetLink::kToldMax + 1);
  EXPECT_EQ(delivery_->held(), 0u);
}

TEST_F(DeliveryTest, ATargetThatHasTakenNothingIsRatherTheWrongOne) {
  target_.poisonous = "a";
  target_.refuses_canaries = true;
  put("a", 1, 3);
  loop_.run(seconds(60));
  EXPECT_EQ(delivery_->held(), 3u);
  EXPECT_THAT(route_->link(0).status().error().message, HasSubstr("ValidationException"));
  target_.poisonous.clear();
  loop_.run(seconds(3));
  EXPECT_EQ(stored()["a"], up_to(3));
}

TEST_F(DeliveryTest, AShardThatBeginsWithWhatIsRefusedFlowsOnceACanaryIsTaken) {
  target_.poisonous = "a-1";
  put("a", 1, 5);
  loop_.run(seconds(2));
  EXPECT_EQ(stored()["a"], (std::vector<int>{2, 3, 4, 5}));
  EXPECT_EQ(target_.canaries, 1);
  EXPECT_THAT(target_.prepared, ElementsAre("s", "canaries"));
  EXPECT_TRUE(route_->link(0).status().ok());
  EXPECT_THAT(metrics_.prometheus_text(),
              HasSubstr(R"(spillway_broker_given_up_records_total{target="a"} 1)"));
}

TEST_F(DeliveryTest, ATargetThatMovedHasTakenNothingThere) {
  put("a", 1, 3);
  loop_.run(seconds(1));
  ASSERT_EQ(delivery_->held(), 0u);
  target_.poisonous = "a";
  target_.refuses_canaries = true;
  route_->moved(0);
  put("a", 4, 3);
  loop_.run(seconds(60));
  EXPECT_EQ(delivery_->held(), 3u);
  EXPECT_EQ(target_.prepared.size(), 3u) << "s again, and the canaries' stream";
}

TEST_F(DeliveryTest, OnACanaryAloneSoManyRecordsAreGivenUp) {
  target_.poisonous = "-";
  const std::vector<std::string> keys = {"a", "b", "c", "d"};
  for (const auto& key : keys) put(key, 1, 100);
  loop_.run(seconds(60));
  EXPECT_EQ(delivery_->held(), 400u - TargetLink::kOnTrustMax);
  EXPECT_EQ(target_.canaries, 1);
  target_.poisonous.clear();
  loop_.run(seconds(3));
  EXPECT_EQ(delivery_->held(), 0u);
  EXPECT_EQ(target_.stored.size(), 400u - TargetLink::kOnTrustMax);
}

TEST_F(DeliveryTest, ARestartGoesOnWhereTheTargetIs) {
  put("a", 1, 10);
  loop_.run(seconds(1));
  target_.down = true;
  put("a", 11, 10);
  loop_.run(seconds(1));
  target_.down = false;
  kill_and_restart();
  put("a", 21, 5);
  loop_.run(seconds(1));
  EXPECT_EQ(stored()["a"], up_to(25)) << "each once, in order";
}

TEST_F(DeliveryTest, WhatHadNoAnswerIsSentAgain) {
  put("a", 1, 5);
  loop_.run(seconds(1));
  target_.lose_answers = true;
  put("a", 6, 5);
  loop_.run(milliseconds(1));
  target_.lose_answers = false;
  kill_and_restart();
  loop_.run(seconds(1));
  auto numbers = stored()["a"];
  EXPECT_GT(numbers.size(), 10u) << "some twice";
  std::ranges::sort(numbers);
  const auto again = std::ranges::unique(numbers);
  numbers.erase(again.begin(), again.end());
  EXPECT_EQ(numbers, up_to(10)) << "and none lost";
}

TEST_F(DeliveryTest, WhatNoCursorHasDurablyIsNotDelivered) {
  const auto delivered = [this] {
    std::uint64_t records = 0;
    for (const auto& [shard, before] : delivery_->delivered()) records += before.value;
    return records;
  };
  put("a", 1, 5);
  engine_.append_error = Error{ErrorCode::kNoSpace, "the disk is full"};
  loop_.run(seconds(1));
  EXPECT_EQ(delivery_->held(), 0u);
  EXPECT_EQ(delivered(), 0u) << "after a crash they are read again";
  engine_.append_error.reset();
  loop_.run(seconds(1));
  EXPECT_EQ(delivered(), 5u);
}

TEST_F(DeliveryTest, WhatCantBeReadIsTriedAgain) {
  engine_.read_error = Error{ErrorCode::kIo, "a disk error"};
  put("a", 1, 5);
  loop_.run(seconds(10));
  EXPECT_THAT(log_.events, ElementsAre("the spool can't be read, trying again")) << "once";
  engine_.read_error.reset();
  loop_.run(seconds(3));
  EXPECT_THAT(log_.events, Contains("the spool can be read again"));
  EXPECT_EQ(stored()["a"], up_to(5));
}

TEST_F(DeliveryTest, DrainSendsWhatIsHeldFirst) {
  target_.down = true;
  put("a", 1, 700);
  loop_.run();
  bool ended = false;
  delivery_->drain(seconds(5), [&] { ended = true; });
  running_ = false;
  loop_.run(seconds(2));
  EXPECT_FALSE(ended);
  target_.down = false;
  loop_.run(seconds(2));
  EXPECT_TRUE(ended);
  EXPECT_EQ(stored()["a"], up_to(700));
}

TEST_F(DeliveryTest, DrainGivesUpAtItsBound) {
  target_.silent = true;
  put("a", 1, 10);
  loop_.run();
  bool ended = false;
  delivery_->drain(seconds(5), [&] { ended = true; });
  running_ = false;
  loop_.run(seconds(5) - nanoseconds(1));
  EXPECT_FALSE(ended);
  loop_.run(nanoseconds(1));
  EXPECT_TRUE(ended);
  EXPECT_EQ(delivery_->held(), 10u);
}

TEST_F(DeliveryTest, DrainEndsAtOnceWithNothingToSend) {
  bool ended = false;
  delivery_->drain(seconds(5), [&] { ended = true; });
  EXPECT_FALSE(ended) << "not from within";
  running_ = false;
  loop_.run();
  EXPECT_TRUE(ended);
}

TEST_F(DeliveryTest, LeavesWhatItDoesNotSendToTheNextOne) {
  put("a", 1, 1);
  loop_.run(seconds(1));
  target_.silent = true;
  put("a", 2, 1);
  loop_.run();
  put("a", 3, 2);
  bool ended = false;
  delivery_->leave(seconds(5), [&] { ended = true; });
  loop_.run(seconds(1));
  EXPECT_FALSE(ended) << "it waits for the answer";
  target_.answer();
  loop_.run();
  ASSERT_TRUE(ended);
  EXPECT_EQ(delivery_->held(), 2u);
  put("a", 5, 1);  // while there is none
  loop_.run();     // the old one may be told of it, and must be there then
  replace();
  loop_.run(seconds(1));
  EXPECT_EQ(stored()["a"], up_to(5)) << "each once";
}

TEST_F(DeliveryTest, LeavesAtItsBoundWhatIsNotAnswered) {
  put("a", 1, 1);
  loop_.run(seconds(1));
  target_.silent = true;
  put("a", 2, 3);
  loop_.run();
  bool ended = false;
  delivery_->leave(seconds(1), [&] { ended = true; });
  loop_.run(seconds(1) - nanoseconds(1));
  EXPECT_FALSE(ended);
  loop_.run(nanoseconds(1));
  ASSERT_TRUE(ended);
  EXPECT_EQ(delivery_->held(), 3u);
  replace();
  loop_.run(seconds(1));
  EXPECT_EQ(stored()["a"], up_to(4));
}

TEST_F(DeliveryTest, LeavesAtOnceWhatWasNotAskedForYet) {
  target_.down = true;
  put("a", 1, 700);
  loop_.run(seconds(1));
  bool ended = false;
  delivery_->leave(seconds(5), [&] { ended = true; });
  loop_.run();
  EXPECT_TRUE(ended) << "the stream wasn't there yet, so nothing was sent";
  target_.down = false;
  replace();
  loop_.run(seconds(2));
  EXPECT_EQ(stored()["a"], up_to(700));
}

TEST_F(DeliveryTest, WhatIsToBeDroppedAfterAShardWasLeftIsDroppedByTheNextOne) {
  target_.down = true;
  put("a", 1, 4);
  loop_.run(seconds(1));
  bool ended = false;
  delivery_->leave(seconds(1), [&] { ended = true; });
  loop_.run();
  ASSERT_TRUE(ended);
  const auto held = delivery_->undelivered();
  const auto shard =
      std::ranges::find_if(held, [](const auto& of) { return of.second.first < of.second.second; });
  delivery_->give_up_before({{shard->first, shard->second.first.plus(2)}});
  EXPECT_EQ(delivery_->dropped(), 0u);
  target_.down = false;
  replace();
  loop_.run(seconds(1));
  EXPECT_EQ(delivery_->dropped(), 2u);
  EXPECT_EQ(delivery_->held(), 0u);
  EXPECT_EQ(stored()["a"], (std::vector<int>{3, 4}));
}

TEST_F(DeliveryTest, TellsHowLongPutsTook) {
  put("a", 0, 1);
  loop_.run(seconds(1));
  target_.silent = true;
  for (int i = 1; i < 100; ++i) {
    put("a", i, 1);
    loop_.run(milliseconds(i < 97 ? 2 : 50));
    target_.answer();
    loop_.run();
  }
  target_.silent = false;
  EXPECT_EQ(route_->link(0).latency().p50, milliseconds(2));
  EXPECT_EQ(route_->link(0).latency().p99, milliseconds(50));
}

}  // namespace
}  // namespace spillway::broker
