#include "stream/scaling.h"

#include <algorithm>
#include <cmath>

namespace spillway::stream {

namespace {

constexpr double kBytesPerSecond = 1 << 20;
constexpr double kRecordsPerSecond = 1000;
constexpr double kSplitAbove = 0.5;
constexpr double kMergeBelow = 0.2;  // both neighbours together, at their peaks
constexpr nanoseconds kSmoothing = seconds(5);
constexpr nanoseconds kPeakFades = std::chrono::minutes(30);  // to a third
// How long a shard must have been seen before it is judged.
constexpr nanoseconds kSplitAfter = seconds(10);
constexpr nanoseconds kMergeAfter = std::chrono::minutes(60);
// A range that is narrower is not split: what is put with one key would else be split for ever.
constexpr Uint128 kNarrowest = Uint128{1} << 112;

double seconds_of(nanoseconds time) { return static_cast<double>(time.count()) / 1e9; }

struct Candidate {
  const ShardInfo* shard = nullptr;
  const ShardLoad* load = nullptr;  // nullptr: not known
};

std::vector<Candidate> open_shards(const StreamInfo& stream,
                                   const std::map<ShardId, ShardLoad>& loads) {
  std::vector<Candidate> open;
  for (const auto& shard : stream.shards) {
    if (!shard.open()) continue;
    const auto load = loads.find(shard.id);
    open.push_back({&shard, load != loads.end() ? &load->second : nullptr});
  }
  std::ranges::sort(open, {}, [](const Candidate& one) { return one.shard->first_hash_key; });
  return open;
}

Uint128 width(const ShardInfo& shard) { return shard.last_hash_key - shard.first_hash_key; }

Split halves(const ShardInfo& shard) {
  return {shard.index, shard.first_hash_key + width(shard) / 2 + 1};
}

// The widest ones, until there are `count` shards.
std::vector<Split> widen(std::vector<Candidate> open, std::uint64_t count) {
  std::ranges::sort(open, std::greater<>(), [](const Candidate& one) { return width(*one.shard); });
  std::vector<Split> splits;
  for (const auto& one : open) {
    if (open.size() + splits.size() >= count) break;
    if (width(*one.shard) >= kNarrowest) splits.push_back(halves(*one.shard));
  }
  return splits;
}

}  // namespace

void ShardLoad::measure(std::uint64_t bytes, std::uint64_t records, MonoTime now) {
  if (seen_ && now > last_at_) {
    const double passed = seconds_of(now - last_at_);
    const double load = std::max(static_cast<double>(bytes - bytes_) / kBytesPerSecond,
                                 static_cast<double>(records - records_) / kRecordsPerSecond) /
                        passed;
    recent_ += (load - recent_) * (1 - std::exp(-passed / seconds_of(kSmoothing)));
    peak_ = std::max(recent_, peak_ * std::exp(-passed / seconds_of(kPeakFades)));
  }
  if (!seen_) first_at_ = now;
  seen_ = true;
  last_at_ = now;
  bytes_ = bytes;
  records_ = records;
}

void ShardLoad::inherit(const ShardLoad& parent, double share) {
  recent_ += parent.recent_ * share;
  peak_ += parent.peak_ * share;
}

ReshardRound scale(const StreamInfo& stream, const std::map<ShardId, ShardLoad>& loads,
                   const ScalingBounds& bounds, MonoTime now) {
  const auto open = open_shards(stream, loads);
  ReshardRound round;
  const auto warm = std::min(bounds.shards_warm, bounds.shards_max);
  if (open.size() < warm) {
    round.splits = widen(open, warm);
    return round;
  }
  for (const auto& one : open) {
    if (open.size() + round.splits.size() >= bounds.shards_max) break;
    if (one.load != nullptr && one.load->recent() > kSplitAbove &&
        one.load->seen_for(now) >= kSplitAfter && width(*one.shard) >= kNarrowest)
      round.splits.push_back(halves(*one.shard));
  }
  if (!round.splits.empty() || open.size() <= std::max(bounds.shards_min, warm)) return round;

  // The quietest pair, one at a time.
  double quietest = kMergeBelow;
  for (std::size_t i = 0; i + 1 < open.size(); ++i) {
    const auto& lower = open[i];
    const auto& upper = open[i + 1];
    if (lower.load == nullptr || upper.load == nullptr) continue;
    if (lower.load->seen_for(now) < kMergeAfter || upper.load->seen_for(now) < kMergeAfter)
      continue;
    const double both = lower.load->peak() + upper.load->peak();
    if (both >= quietest) continue;
    quietest = both;
    round.merges = {{lower.shard->index, upper.shard->index}};
  }
  return round;
}

}  // namespace spillway::stream
