#include "stream/reshard.h"

#include "base/random.h"

namespace spillway::stream {
namespace {

StreamInfo even_stream(std::uint64_t count) {
  StreamInfo stream;
  for (std::uint64_t i = 0; i < count; ++i) {
    ShardInfo shard;
    shard.id = i + 1;
    shard.index = static_cast<std::uint32_t>(i);
    shard.first_hash_key = even_range_start(count, i);
    shard.last_hash_key = i + 1 == count ? kUint128Max : even_range_start(count, i + 1) - 1;
    stream.shards.push_back(shard);
  }
  return stream;
}

// As the engine does: the closed ones end.
void close(CatalogChange& change) {
  for (auto& shard : change.put.front().shards)
    if (std::ranges::count(change.close, shard.id) > 0) shard.ended = ShardEnd{};
}

std::vector<const ShardInfo*> open_by_range(const StreamInfo& stream) {
  std::vector<const ShardInfo*> open;
  for (const auto& shard : stream.shards)
    if (shard.open()) open.push_back(&shard);
  std::ranges::sort(open, {}, [](const ShardInfo* shard) { return shard->first_hash_key; });
  return open;
}

void expect_whole(const StreamInfo& stream) {
  Uint128 next = 0;
  const auto open = open_by_range(stream);
  for (const auto* shard : open) {
    ASSERT_TRUE(shard->first_hash_key == next);
    ASSERT_TRUE(shard->last_hash_key >= shard->first_hash_key);
    next = shard->last_hash_key + 1;
  }
  EXPECT_TRUE(next == 0) << "the last range ends at 2^128 - 1";
}

// The lineage that readers follow: each child's range lies in its parents' ranges, which together
// hold it, and every parent is closed.
void expect_lineage(const StreamInfo& stream) {
  for (const auto& shard : stream.shards) {
    if (!shard.parent) continue;
    const auto* parent = stream.find_shard(*shard.parent);
    ASSERT_NE(parent, nullptr);
    EXPECT_FALSE(parent->open());
    EXPECT_LT(parent->index, shard.index);
    EXPECT_TRUE(parent->first_hash_key <= shard.first_hash_key);
    if (!shard.adjacent_parent) {
      EXPECT_TRUE(shard.last_hash_key <= parent->last_hash_key);
      continue;
    }
    const auto* adjacent = stream.find_shard(*shard.adjacent_parent);
    ASSERT_NE(adjacent, nullptr);
    EXPECT_FALSE(adjacent->open());
    EXPECT_TRUE(parent->last_hash_key + 1 == adjacent->first_hash_key);
    EXPECT_TRUE(shard.last_hash_key == adjacent->last_hash_key);
  }
}

bool close_by(Uint128 a, Uint128 b) { return (a < b ? b - a : a - b) < Uint128{1} << 20; }

int reshard(StreamInfo& stream, std::uint64_t count) {
  std::uint64_t next_id = stream.shards.size() + 1;
  for (int rounds = 0;; ++rounds) {
    const auto round = next_round(stream, count);
    if (round.splits.empty() && round.merges.empty()) return rounds;
    CatalogChange change;
    change.put.push_back(stream);
    for (const auto& one : round.splits) split(one, next_id, change);
    for (const auto& one : round.merges) merge(one, next_id, change);
    next_id += change.ids_used;
    close(change);
    stream = change.put.front();
    expect_whole(stream);
    EXPECT_LT(rounds, 64);
  }
}

TEST(Reshard, EvenRangesAreThoseOfTheApi) {
  EXPECT_TRUE(even_range_start(1, 0) == 0);
  EXPECT_TRUE(even_range_start(4, 1) == Uint128{1} << 126);
  EXPECT_EQ(to_string(even_range_start(3, 1)), "113427455640312821154458202477256070485");
}

TEST(Reshard, TwiceAsManyTakesOneRoundOfSplits) {
  auto stream = even_stream(5);
  EXPECT_EQ(reshard(stream, 10), 1);
  EXPECT_EQ(stream.shards.size(), 15u);
  EXPECT_EQ(reshard(stream, 10), 0) << "nothing is left to do";
}

TEST(Reshard, FromAnyNumberToAnyOther) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    auto stream = even_stream(1 + random.below(40));
    for (int changes = 0; changes < 3; ++changes) {
      const std::uint64_t count = 1 + random.below(40);
      reshard(stream, count);
      const auto open = open_by_range(stream);
      ASSERT_EQ(open.size(), count);
      for (std::uint64_t at = 0; at < count; ++at)
        ASSERT_TRUE(close_by(open[at]->first_hash_key, even_range_start(count, at)));
    }
    expect_lineage(stream);
  }
}

}  // namespace
}  // namespace spillway::stream
