#include "stream/reshard.h"

#include "base/assert.h"

namespace spillway::stream {

namespace {

ShardInfo& open_shard(StreamInfo& stream, std::uint32_t index) {
  const auto* shard = stream.find_shard(index);
  SPILLWAY_ASSERT(shard != nullptr && shard->open());
  return stream.shards[static_cast<std::size_t>(shard - stream.shards.data())];
}

ShardInfo child_of(const StreamInfo& stream, const ShardInfo& parent, std::uint64_t next_id,
                   CatalogChange& change) {
  ShardInfo child;
  child.id = next_id + change.ids_used++;
  child.index = stream.shards.back().index + 1;
  child.parent = parent.index;
  return child;
}

constexpr Uint128 kRounding = Uint128{1} << 20;  // above any count of shards

// Where each of `count` even ranges begins; where one begins close by already, there.
std::vector<Uint128> range_starts(const std::vector<const ShardInfo*>& open, std::uint64_t count) {
  std::vector<Uint128> starts(count);
  for (std::uint64_t i = 1; i < count; ++i) {
    starts[i] = even_range_start(count, i);
    const auto nearest = std::ranges::lower_bound(open, starts[i] - kRounding, {},
                                                  [](const auto* s) { return s->first_hash_key; });
    if (nearest != open.end() && (*nearest)->first_hash_key < starts[i] + kRounding)
      starts[i] = (*nearest)->first_hash_key;
  }
  return starts;
}

}  // namespace

Uint128 even_range_start(std::uint64_t count, std::uint64_t i) {
  // 2^128 itself doesn't fit: (2^128 - 1) / n is the same but where n divides 2^128.
  const auto n = Uint128{count};
  return (kUint128Max / n + (kUint128Max % n == n - 1 ? 1 : 0)) * i;
}

void split(const Split& split, std::uint64_t next_id, CatalogChange& change) {
  StreamInfo& stream = change.put.front();
  const ShardInfo parent = open_shard(stream, split.index);
  SPILLWAY_ASSERT(parent.first_hash_key < split.at && split.at <= parent.last_hash_key);
  change.close.push_back(parent.id);
  ShardInfo lower = child_of(stream, parent, next_id, change);
  lower.first_hash_key = parent.first_hash_key;
  lower.last_hash_key = split.at - 1;
  stream.shards.push_back(lower);
  ShardInfo upper = child_of(stream, parent, next_id, change);
  upper.first_hash_key = split.at;
  upper.last_hash_key = parent.last_hash_key;
  stream.shards.push_back(upper);
}

void merge(const Merge& merge, std::uint64_t next_id, CatalogChange& change) {
  StreamInfo& stream = change.put.front();
  const ShardInfo lower = open_shard(stream, merge.lower);
  const ShardInfo upper = open_shard(stream, merge.upper);
  SPILLWAY_ASSERT(lower.last_hash_key + 1 == upper.first_hash_key);
  change.close.push_back(lower.id);
  change.close.push_back(upper.id);
  ShardInfo child = child_of(stream, lower, next_id, change);
  child.adjacent_parent = upper.index;
  child.first_hash_key = lower.first_hash_key;
  child.last_hash_key = upper.last_hash_key;
  stream.shards.push_back(child);
}

ReshardRound next_round(const StreamInfo& stream, std::uint64_t count) {
  std::vector<const ShardInfo*> open;
  for (const auto& shard : stream.shards)
    if (shard.open()) open.push_back(&shard);
  std::ranges::sort(open, {}, [](const ShardInfo* shard) { return shard->first_hash_key; });

  const auto starts = range_starts(open, count);

  ReshardRound round;
  std::uint64_t next = 1;  // the first start above the shards seen so far
  for (const auto* shard : open) {
    while (next < count && starts[next] <= shard->first_hash_key) ++next;
    std::uint64_t inside = 0;
    while (next + inside < count && starts[next + inside] <= shard->last_hash_key) ++inside;
    if (inside > 0) round.splits.push_back({shard->index, starts[next + inside / 2]});
    next += inside;
  }
  if (!round.splits.empty()) return round;

  // Every shard lies in one range now: those of the same range are merged by pairs.
  next = 1;
  const ShardInfo* lower = nullptr;
  for (const auto* shard : open) {
    while (next < count && starts[next] <= shard->first_hash_key) {
      ++next;
      lower = nullptr;
    }
    if (lower == nullptr) {
      lower = shard;
    } else {
      round.merges.push_back({lower->index, shard->index});
      lower = nullptr;
    }
  }
  return round;
}

}  // namespace spillway::stream
