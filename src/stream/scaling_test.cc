#include "stream/scaling.h"

#include <gtest/gtest.h>

namespace spillway::stream {
namespace {

constexpr MonoTime kStart{std::chrono::hours(5)};
constexpr std::uint64_t kMiB = 1 << 20;

StreamInfo stream_of(std::uint64_t shards) {
  StreamInfo stream;
  stream.mode = StreamMode::kOnDemand;
  for (std::uint64_t i = 0; i < shards; ++i) {
    ShardInfo shard;
    shard.id = 100 + i;
    shard.index = static_cast<std::uint32_t>(i);
    shard.first_hash_key = even_range_start(shards, i);
    shard.last_hash_key = i + 1 == shards ? kUint128Max : even_range_start(shards, i + 1) - 1;
    stream.shards.push_back(shard);
  }
  return stream;
}

// Each shard's bytes and records a second, for so long.
class Traffic {
 public:
  void flow(const StreamInfo& stream, const std::map<ShardId, std::uint64_t>& bytes,
            std::uint64_t records, seconds time) {
    for (seconds passed(0); passed <= time; passed += seconds(1)) {
      for (const auto& shard : stream.shards) {
        const auto found = bytes.find(shard.id);
        bytes_[shard.id] += found != bytes.end() ? found->second : 0;
        records_[shard.id] += records;
        loads_[shard.id].measure(bytes_[shard.id], records_[shard.id], now_);
      }
      now_ += seconds(1);
    }
  }
  ReshardRound decide(const StreamInfo& stream, ScalingBounds bounds = {}) const {
    return scale(stream, loads_, bounds, now_);
  }

  MonoTime now_ = kStart;
  std::map<ShardId, ShardLoad> loads_;

 private:
  std::map<ShardId, std::uint64_t> bytes_;
  std::map<ShardId, std::uint64_t> records_;
};

TEST(Scaling, SplitsTheShardsThatTakeMoreThanHalfOfWhatTheyMay) {
  const auto stream = stream_of(4);
  Traffic traffic;
  traffic.flow(stream, {{100, kMiB * 6 / 10}, {101, kMiB * 4 / 10}}, 0, seconds(30));
  const auto round = traffic.decide(stream);
  ASSERT_EQ(round.splits.size(), 1u);
  EXPECT_EQ(round.splits[0].index, 0u);
  EXPECT_EQ(round.splits[0].at, stream.shards[0].last_hash_key / 2 + 1) << "in the middle";
  EXPECT_TRUE(round.merges.empty());
}

TEST(Scaling, CountsRecordsToo) {
  const auto stream = stream_of(4);
  Traffic traffic;
  traffic.flow(stream, {}, 600, seconds(30));
  EXPECT_EQ(traffic.decide(stream).splits.size(), 4u);
}

TEST(Scaling, AShortBurstSplitsNothing) {
  const auto stream = stream_of(4);
  Traffic traffic;
  traffic.flow(stream, {}, 0, seconds(60));
  traffic.flow(stream, {{100, kMiB * 2}}, 0, seconds(0));  // for a second
  EXPECT_TRUE(traffic.decide(stream).splits.empty());
  Traffic fresh;
  fresh.flow(stream, {{100, kMiB * 100}}, 0, seconds(5));
  EXPECT_TRUE(fresh.decide(stream).splits.empty()) << "it was not seen for long enough";
}

TEST(Scaling, StopsAtItsBounds) {
  const auto stream = stream_of(6);
  Traffic traffic;
  traffic.flow(stream, {}, 900, seconds(30));
  EXPECT_EQ(traffic.decide(stream, {0, 4, 8}).splits.size(), 2u);
  EXPECT_TRUE(traffic.decide(stream, {0, 4, 6}).splits.empty());
  // What is kept warm is, whatever the load is: the widest first, doubling at most.
  Traffic quiet;
  EXPECT_TRUE(quiet.decide(stream_of(1)).splits.empty())
      << "one that was provisioned keeps its shards";
  EXPECT_EQ(quiet.decide(stream, {10, 4, 100}).splits.size(), 4u);
  EXPECT_EQ(quiet.decide(stream, {100, 4, 1000}).splits.size(), 6u);
}

TEST(Scaling, DoesNotSplitARangeForOneKeyForEver) {
  auto stream = stream_of(4);
  stream.shards[0].last_hash_key = (Uint128{1} << 112) - 1;
  Traffic traffic;
  traffic.flow(stream, {{100, kMiB}}, 0, seconds(30));
  EXPECT_TRUE(traffic.decide(stream).splits.empty());
}

TEST(Scaling, MergesTheQuietestNeighboursWhenTheyHaveLongBeenQuiet) {
  const auto stream = stream_of(8);
  Traffic traffic;
  traffic.flow(stream, {{100, kMiB / 7}, {101, kMiB / 7}}, 0, seconds(30));
  traffic.flow(stream, {}, 0, std::chrono::minutes(59));
  EXPECT_TRUE(traffic.decide(stream).merges.empty()) << "an hour is not over";
  traffic.flow(stream, {}, 0, std::chrono::minutes(2));
  const auto round = traffic.decide(stream);
  EXPECT_TRUE(round.splits.empty());
  ASSERT_EQ(round.merges.size(), 1u) << "one at a time";
  EXPECT_EQ(round.merges[0].lower, 2u) << "the first ones were busier";
  EXPECT_EQ(round.merges[0].upper, 3u);
  EXPECT_TRUE(traffic.decide(stream, {0, 8, 100}).merges.empty()) << "not below the floor";
  EXPECT_TRUE(traffic.decide(stream, {8, 4, 100}).merges.empty()) << "nor what is kept warm";
}

TEST(Scaling, AnOldPeakKeepsShardsForAWhile) {
  const auto stream = stream_of(8);
  Traffic traffic;
  traffic.flow(stream, {}, 0, std::chrono::minutes(61));
  traffic.flow(stream, {}, 400, seconds(60));
  traffic.flow(stream, {}, 0, std::chrono::minutes(30));
  EXPECT_TRUE(traffic.decide(stream).merges.empty());
  traffic.flow(stream, {}, 0, std::chrono::minutes(30));
  EXPECT_EQ(traffic.decide(stream).merges.size(), 1u);
}

// What a split or merge leads to must not lead back.
TEST(Scaling, ChildrenInheritTheLoad) {
  ShardLoad parent;
  for (int i = 0; i <= 60; ++i)
    parent.measure(static_cast<std::uint64_t>(i) * kMiB, 0, kStart + seconds(i));
  EXPECT_NEAR(parent.recent(), 1.0, 0.01);
  ShardLoad child;
  child.inherit(parent, 0.5);
  EXPECT_NEAR(child.recent(), 0.5, 0.01);
  EXPECT_NEAR(child.peak(), 0.5, 0.01);
  EXPECT_EQ(child.seen_for(kStart), nanoseconds(0));
}

}  // namespace
}  // namespace spillway::stream
