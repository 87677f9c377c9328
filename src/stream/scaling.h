// When streams on demand split and merge their shards: a pure function of the load that was
// measured.
//
// A shard takes 1 MiB and 1,000 records a second, the larger share of which is its load. Above half
// of that it is split, so that a stream takes twice what it lately had. Two neighbours are merged
// when both together have long been below a fifth: the child's load is then far from the half that
// would split it again.
#pragma once

#include <cstdint>
#include <map>

#include "base/time.h"
#include "stream/reshard.h"

namespace spillway::stream {

// What a shard was seen to take: a share of what it may take, smoothed.
class ShardLoad {
 public:
  // What it has taken since it was made, as of `now`: the first call only notes it.
  void measure(std::uint64_t bytes, std::uint64_t records, MonoTime now);
  // That of a child, before it has a load of its own: half of its parent's after a split (and the
  // sum of both parents' after a merge).
  void inherit(const ShardLoad& parent, double share);

  double recent() const { return recent_; }  // of the last seconds
  double peak() const { return peak_; }      // the highest, which fades within about an hour
  nanoseconds seen_for(MonoTime now) const { return seen_ ? now - first_at_ : nanoseconds(0); }

 private:
  bool seen_ = false;
  MonoTime first_at_{};
  MonoTime last_at_{};
  std::uint64_t bytes_ = 0;
  std::uint64_t records_ = 0;
  double recent_ = 0;
  double peak_ = 0;
};

struct ScalingBounds {
  std::uint64_t shards_warm = 0;  // kept, whatever the load is
  std::uint64_t shards_min = 4;   // not merged below; one that has fewer may keep them
  std::uint64_t shards_max = 10'000;
};

// What to do with an on-demand stream now: splits, else one merge, else nothing. A shard that has
// no load in `loads`, or a young one, is left alone.
ReshardRound scale(const StreamInfo& stream, const std::map<ShardId, ShardLoad>& loads,
                   const ScalingBounds& bounds, MonoTime now);

}  // namespace spillway::stream
