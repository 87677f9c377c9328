#include "broker/spool_horizon.h"

#include <algorithm>

namespace spillway::broker {

void SpoolHorizon::add(std::span<const stream::ShardId> shards) {
  for (const auto shard : shards)
    if (oldest_.try_emplace(shard).second) shards_.push_back(shard);
}

void SpoolHorizon::look() {
  if (looking_ > 0) return;
  looking_ = std::min(kShardsAtOnce, shards_.size());
  for (std::size_t i = 0, count = looking_; i < count; ++i) {
    const auto shard = shards_[next_++ % shards_.size()];
    engine_.find_trim_horizon(shard, [this, shard](Result<stream::Position> found) {
      loop_.post([this, shard, found = std::move(found)] {
        --looking_;
        if (found.ok()) oldest_[shard] = *found;
      });
    });
  }
}

stream::Position SpoolHorizon::oldest(stream::ShardId shard) const {
  const auto found = oldest_.find(shard);
  return found != oldest_.end() ? found->second : stream::Position();
}

}  // namespace spillway::broker
