#include "broker/batch_send.h"

#include <gmock/gmock.h>

#include <array>
#include <list>

#include "broker/delivery.h"
#include "broker/spool_samples.h"

namespace spillway::broker {
namespace {

using testing::Each;
using testing::Gt;

// A region that is far away: any number of requests is on the way to it, each for its time. It
// stores what a request has of a lane as a prefix, as a region does, and no lane may be in two.
class FarTarget final : public Target {
 public:
  FarTarget(io::ManualLoop& loop, std::string name) : loop_(loop), name_(std::move(name)) {}

  LanePacking packing() const override { return packed_as; }
  Task<Status> prepare(std::string) override { co_return Status(); }
  Task<Result<client::PutRecordsResult>> put(std::string stream,
                                             std::vector<client::PutEntry> entries) override {
    const bool is_canary = stream == "canaries";
    const auto lanes = is_canary ? std::set<std::uint8_t>() : lanes_of(entries);
    for (const auto lane : lanes) EXPECT_EQ(++on_the_way_[lane], 1) << "lane " << +lane;
    if (!is_canary) {
      sizes.push_back(entries.size());
      most_in_flight = std::max(most_in_flight, ++in_flight);
    }
    const auto pause = pauses_.emplace(pauses_.end(), loop_);
    if (!closed) co_await pause->wait(time());
    pauses_.erase(pause);
    if (!is_canary) --in_flight;
    for (const auto lane : lanes) --on_the_way_[lane];
    co_return serve(stream, std::move(entries));
  }
  Task<Result<bool>> holds(std::string, client::PutOutcome) override { co_return true; }
  Task<Status> reaches(std::string, client::PutOutcome) override { co_return Status(); }
  void close() override {
    closed = true;
    while (!pauses_.empty()) pauses_.front().end();
  }
  const std::string& name() const override { return name_; }
  std::string address() const override { return "http://far"; }

  // Every record once, or a copy behind it; each names the one before it in its lane.
  void expect_in_order() const {
    std::map<std::uint8_t, std::uint64_t> last;
    for (const auto& entry : stored) {
      const auto& origin = *entry.origin;
      auto& before = last[origin.lane];
      if (origin.sequence <= before) continue;
      EXPECT_EQ(origin.previous, before) << "lane " << +origin.lane;
      before = origin.sequence;
    }
  }
  std::size_t distinct() const {
    std::set<std::string> data;
    for (const auto& entry : stored) data.insert(entry.data);
    return data.size();
  }

  nanoseconds takes = milliseconds(70);
  std::deque<nanoseconds> next_take;  // the next requests do
  LanePacking packed_as = LanePacking::kPrefix;
  Random* fails = nullptr;  // at random, and takes a random time
  std::optional<std::uint8_t> failing_lane;
  std::string poisonous;  // in the data of what it refuses, with the whole request
  bool closed = false;
  int in_flight = 0;
  int most_in_flight = 0;
  std::vector<std::size_t> sizes;  // of requests
  std::vector<client::PutEntry> stored;

 private:
  static std::set<std::uint8_t> lanes_of(const std::vector<client::PutEntry>& entries) {
    std::set<std::uint8_t> lanes;
    for (const auto& entry : entries) lanes.insert(lane_of(entry));
    return lanes;
  }

  nanoseconds time() {
    if (fails != nullptr) return milliseconds(fails->between(1, 150));
    if (next_take.empty()) return takes;
    const auto time = next_take.front();
    next_take.pop_front();
    return time;
  }

  Result<client::PutRecordsResult> serve(const std::string& stream,
                                         std::vector<client::PutEntry> entries) {
    if (closed) return Error{ErrorCode::kClosed, "closed"};
    const auto chance = [this](std::uint64_t one_in) {
      return fails != nullptr && fails->one_in(one_in);
    };
    if (chance(20)) return Error{ErrorCode::kIo, "connection reset"};
    if (!poisonous.empty() && std::ranges::any_of(entries, [this](const auto& entry) {
          return entry.data.find(poisonous) != std::string::npos;
        }))
      return Error{ErrorCode::kInvalid, "ValidationException"};
    const bool loses_answer = chance(20);
    client::PutRecordsResult result;
    std::set<std::uint8_t> failed;
    for (auto& entry : entries) {
      const auto lane = lane_of(entry);
      if (lane == failing_lane || chance(30)) failed.insert(lane);
      client::PutOutcome outcome;
      if (failed.contains(lane)) {
        outcome.error_code = "InternalFailure";
        ++result.failed;
      } else if (stream != "canaries") {
        stored.push_back(std::move(entry));
      }
      result.outcomes.push_back(std::move(outcome));
    }
    if (loses_answer) return Error{ErrorCode::kIo, "connection reset"};
    return result;
  }

  io::ManualLoop& loop_;
  const std::string name_;
  std::array<int, stream::kLanes> on_the_way_{};
  std::list<Pause> pauses_;
};

class BatchSendTest : public SpoolTest {
 protected:
  ~BatchSendTest() override {
    if (delivery_) end();
  }
  void begin() {
    cursors_ = std::make_unique<Cursors>(loop_, engine_, silent_);
    load(*cursors_);
    RouteSettings settings;
    settings.canary_stream = "canaries";
    std::vector<Target*> targets = {&far_};
    if (has_other_) targets.push_back(&other_);
    route_ = std::make_unique<Route>(Route::Parts{loop_, silent_, metrics_}, targets, settings);
    const std::vector<std::string> streams = {"s"};
    delivery_ = std::make_unique<Delivery>(
        Delivery::Parts{loop_, *spool_, *cursors_, *route_, silent_, metrics_}, streams, Random(1),
        std::span<const std::size_t>(), CatchUp(), request_);
    spool_->on_appended(
        [this](std::span<const stream::ShardId> shards) { delivery_->wake(shards); });
    delivery_->start([] {});
  }
  void end(nanoseconds at_most = nanoseconds(1)) {
    bool ended = false;
    delivery_->drain(at_most, [&] { ended = true; });
    loop_.run(at_most + seconds(1));
    EXPECT_TRUE(ended);
    delivery_.reset();
    route_.reset();
    cursors_.reset();
    far_.closed = other_.closed = false;
  }
  // So many of each of so many keys, which are in all shards, in turn.
  void put_all(int keys, int each) {
    for (int i = 1; i <= each; ++i)
      for (int key = 0; key < keys; ++key) put(fmt::format("key{}", key), i, 1);
  }
  // So many keys of the first shard, in different lanes.
  std::vector<std::string> keys_of_a_shard(std::size_t count) {
    std::vector<std::string> keys;
    std::set<std::uint8_t> lanes;
    for (int i = 0; keys.size() < count; ++i) {
      auto key = fmt::format("k{}", i);
      const auto lane = stream::lane_of(stream::hash_key_of(key));
      if (lane < stream::kLanes / Spool::kShards && lanes.insert(lane).second)
        keys.push_back(std::move(key));
    }
    return keys;
  }
  ShardUnderWay first_shard() const { return delivery_->under_way().front(); }

  FarTarget far_{loop_, "far"};
  FarTarget other_{loop_, "other"};
  bool has_other_ = false;
  RequestBounds request_{.records = 10};
  std::unique_ptr<Cursors> cursors_;
  std::unique_ptr<Route> route_;
  std::unique_ptr<Delivery> delivery_;
};

// One request of each of 8 shards in a round trip would take 8.4 s.
TEST_F(BatchSendTest, ATargetThatIsFarAwayGetsManyRequestsAtATime) {
  put_all(240, 40);
  begin();
  loop_.run(seconds(3));
  EXPECT_EQ(delivery_->held(), 0u);
  EXPECT_EQ(far_.stored.size(), 9600u) << "each once";
  EXPECT_GT(far_.most_in_flight, 40);
  EXPECT_LE(far_.most_in_flight, 64);
  far_.expect_in_order();
}

TEST_F(BatchSendTest, OneRequestOfAShardWhereEachHasToShowWhatItStored) {
  far_.packed_as = LanePacking::kSingle;
  put_all(240, 10);
  begin();
  loop_.run(seconds(30));
  EXPECT_EQ(far_.stored.size(), 2400u);
  EXPECT_EQ(far_.most_in_flight, 8);
  far_.expect_in_order();
}

TEST_F(BatchSendTest, WhatFitsOneRequestIsOne) {
  for (const auto& key : keys_of_a_shard(10)) put(key, 1, 1);
  begin();
  loop_.run(seconds(1));
  EXPECT_THAT(far_.sizes, testing::ElementsAre(10u));
}

TEST_F(BatchSendTest, ALaneIsInOneRequestAtATimeHoweverMuchThereIsOfIt) {
  const auto keys = keys_of_a_shard(3);
  put(keys[0], 1, 500);
  put(keys[1], 1, 20);
  put(keys[2], 1, 20);
  begin();
  loop_.run(seconds(10));
  EXPECT_EQ(far_.stored.size(), 540u);
  EXPECT_THAT(far_.sizes, Each(testing::Le(10u)));
  far_.expect_in_order();
}

// Which is also found where one is left out, or sent before what precedes it.
TEST_F(BatchSendTest, LanesArriveInTheirOrderWhateverFails) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    far_.stored.clear();
    far_.fails = &random;
    reopen();
    request_.records = 1 + random.below(12);
    const auto prefix = fmt::format("seed{}key", seed);
    const int keys = 1 + static_cast<int>(random.below(100));
    std::size_t count = 0;
    begin();
    for (int i = 0; i < 40; ++i) {
      const auto some = 1 + static_cast<int>(random.below(60));
      put(prefix + std::to_string(random.below(keys)), 100 * i, some);
      count += static_cast<std::size_t>(some);
      if (random.one_in(3)) loop_.run(milliseconds(random.between(1, 300)));
    }
    loop_.run(seconds(600));
    EXPECT_EQ(delivery_->held(), 0u);
    EXPECT_EQ(far_.distinct(), count);
    std::map<std::pair<stream::ProducerId, std::uint8_t>, std::uint64_t> before;
    for (const auto& entry : far_.stored) {
      const auto& origin = *entry.origin;
      const auto [known, first] =
          before.try_emplace({origin.producer, origin.lane}, origin.sequence);
      if (first || origin.sequence <= known->second) continue;
      EXPECT_EQ(origin.previous, known->second) << "lane " << +origin.lane;
      known->second = origin.sequence;
    }
    end();
    far_.fails = nullptr;
  }
}

TEST_F(BatchSendTest, ABatchIsDeliveredWhenAllOfItsRequestsAre) {
  const auto keys = keys_of_a_shard(4);
  begin();
  put(keys[0], 1, 1);
  loop_.run(seconds(1));
  for (const auto& key : keys) put(key, 2, 5);
  far_.next_take = {milliseconds(10), milliseconds(100)};
  loop_.run();
  ASSERT_EQ(far_.in_flight, 2);
  EXPECT_EQ(first_shard().in_flight, 20u);
  loop_.run(milliseconds(50));
  EXPECT_EQ(first_shard().in_flight, 20u);
  EXPECT_EQ(first_shard().acknowledged, 10u);
  EXPECT_EQ(first_shard().at.value, 1u) << "a restart begins there";
  loop_.run(milliseconds(100));
  EXPECT_EQ(first_shard().at.value, 21u);
}

TEST_F(BatchSendTest, ALaneThatFailsHoldsUpNoOtherRequestOfItsBatch) {
  const auto keys = keys_of_a_shard(4);
  begin();
  put(keys[0], 1, 1);
  loop_.run(seconds(1));
  far_.failing_lane = stream::lane_of(stream::hash_key_of(keys[0]));
  for (const auto& key : keys) put(key, 2, 5);
  loop_.run(seconds(10));
  EXPECT_EQ(far_.stored.size(), 16u);
  far_.failing_lane.reset();
  loop_.run(seconds(10));
  EXPECT_EQ(far_.stored.size(), 21u) << "each once";
  EXPECT_EQ(delivery_->held(), 0u);
}

TEST_F(BatchSendTest, ARecordThatIsRefusedHalvesItsOwnRequestAlone) {
  const auto keys = keys_of_a_shard(4);
  begin();
  put(keys[0], 1, 1);
  loop_.run(seconds(1));
  far_.poisonous = keys[0] + "-4";
  far_.sizes.clear();
  for (const auto& key : keys) put(key, 2, 5);
  loop_.run(seconds(10));
  EXPECT_EQ(far_.stored.size(), 20u);
  EXPECT_EQ(std::ranges::count(far_.sizes, 10u), 2) << "of the other none was sent again";
  far_.expect_in_order();
  EXPECT_EQ(delivery_->held(), 0u);
}

TEST_F(BatchSendTest, WhatIsUnderWayAtTheEndIsSentByTheNextOne) {
  put_all(100, 20);
  begin();
  loop_.run(milliseconds(300));
  EXPECT_THAT(far_.in_flight, Gt(8));
  end();
  EXPECT_EQ(far_.in_flight, 0);
  begin();
  loop_.run(seconds(2));
  EXPECT_EQ(delivery_->held(), 0u);
  EXPECT_EQ(far_.distinct(), 2000u);
  far_.expect_in_order();
}

TEST_F(BatchSendTest, LeavesWhenAllThatIsUnderWayIsAnswered) {
  put_all(100, 20);
  begin();
  loop_.run(milliseconds(300));
  EXPECT_THAT(far_.in_flight, Gt(8));
  bool left = false;
  delivery_->leave(seconds(5), [&] { left = true; });
  loop_.run(seconds(1));
  ASSERT_TRUE(left);
  EXPECT_GT(delivery_->held(), 0u);
  delivery_.reset();
  route_.reset();
  cursors_.reset();
  far_.closed = false;
  begin();
  loop_.run(seconds(2));
  EXPECT_EQ(far_.stored.size(), 2000u) << "each once";
  far_.expect_in_order();
}

TEST_F(BatchSendTest, AnotherTargetGetsTheWholeBatch) {
  has_other_ = true;
  begin();
  const auto keys = keys_of_a_shard(4);
  put(keys[0], 1, 1);
  loop_.run(seconds(1));
  for (const auto& key : keys) put(key, 2, 5);
  far_.next_take = {milliseconds(10), seconds(100)};
  loop_.run(milliseconds(50));
  ASSERT_EQ(first_shard().acknowledged, 10u);
  ASSERT_EQ(far_.in_flight, 1);
  ASSERT_TRUE(route_->hold(1, "by hand").ok());
  loop_.run(milliseconds(30));
  EXPECT_EQ(other_.in_flight, 2);
  loop_.run(milliseconds(100));
  EXPECT_EQ(other_.stored.size(), 20u);
  EXPECT_EQ(delivery_->held(), 0u);
}

TEST_F(BatchSendTest, WhatIsGivenUpForRoomWaitsForAllThatIsUnderWay) {
  begin();
  const auto keys = keys_of_a_shard(4);
  put(keys[0], 1, 1);
  loop_.run(seconds(1));
  for (const auto& key : keys) put(key, 2, 5);
  far_.next_take = {milliseconds(10), milliseconds(100)};
  far_.failing_lane = stream::lane_of(stream::hash_key_of(keys[3]));
  loop_.run();
  delivery_->give_up_before({{first_shard().id, {21}}});
  loop_.run(milliseconds(50));
  EXPECT_EQ(delivery_->dropped(), 0u);
  loop_.run(milliseconds(100));
  EXPECT_EQ(delivery_->dropped(), 5u) << "what failed";
  EXPECT_EQ(delivery_->held(), 0u);
  EXPECT_EQ(far_.stored.size(), 16u);
}

}  // namespace
}  // namespace spillway::broker
