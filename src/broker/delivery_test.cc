#include "broker/delivery.h"

#include <gmock/gmock.h>

#include <map>

#include "broker/make_room.h"
#include "broker/spool_samples.h"

namespace spillway::broker {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

class RecordingLog final : public io::EventLog {
 public:
  void write(io::LogLevel, std::string_view event, std::initializer_list<io::LogField>) override {
    events.emplace_back(event);
  }
  std::vector<std::string> events;
};

class DeliveryTest : public SpoolTest {
 protected:
  DeliveryTest() { begin(); }
  ~DeliveryTest() override {
    if (running_) drain(seconds(5));
  }

  // As a broker's start does.
  void begin() {
    cursors_ = std::make_unique<Cursors>(loop_, engine_, log_);
    load(*cursors_);
    make();
  }
  // The cursors are there. `dropped`: what is to be.
  void make(const Delivered& dropped = {}) {
    const std::vector<std::string> streams = {"s"};
    std::vector<Target*> targets = {&target_};
    if (has_other_) targets.push_back(&other_);
    RouteSettings settings;
    settings.canary_stream = FakeTarget::kCanaryStream;
    route_ = std::make_unique<Route>(Route::Parts{loop_, log_, metrics_}, targets, settings);
    delivery_ = std::make_unique<Delivery>(
        Delivery::Parts{loop_, *spool_, *cursors_, *route_, log_, metrics_}, streams, Random(1),
        std::span<const std::size_t>(), catch_up_);
    spool_->on_appended(
        [this](std::span<const stream::ShardId> shards) { delivery_->wake(shards); });
    delivery_->start([this] { ++flowed_; });
    delivery_->give_up_before(dropped);
    running_ = true;
    loop_.run();
  }
  void drain(nanoseconds at_most) {
    bool ended = false;
    delivery_->drain(at_most, [&] { ended = true; });
    loop_.run(at_most + seconds(1));
    EXPECT_TRUE(ended);
    running_ = false;
  }
  // Another one takes over, in the process.
  void replace() {
    const auto dropped = delivery_->given_up_before();
    delivery_.reset();
    route_.reset();
    target_.closed = target_.silent = other_.closed = false;
    make(dropped);
  }
  // As SIGKILL and a start: a target that was being sent to has got it or not, nobody knows.
  void kill_and_restart() {
    target_.closed = true;
    target_.answer();
    loop_.run();
    drain(nanoseconds(1));
    target_.closed = target_.silent = false;
    delivery_.reset();
    route_.reset();
    cursors_.reset();
    reopen();
    begin();
  }
  std::map<std::string, std::vector<int>> stored() const { return target_.stored_numbers(); }

  RecordingLog log_;
  FakeTarget target_{loop_};
  FakeTarget other_{loop_, "b"};
  bool has_other_ = false;
  std::unique_ptr<Cursors> cursors_;
  std::unique_ptr<Route> route_;
  std::unique_ptr<Delivery> delivery_;
  CatchUp catch_up_;
  int flowed_ = 0;
  bool running_ = false;
};

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
  EXPECT_THAT(log_.events, testing::Contains("the spool can be read again"));
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
