// Which appends go into the next frame, where several shards want to.
//
// In the order of their arrival a hot shard's backlog would stand before everybody: each frame
// would be as long as it can be, and everyone else's append would wait for it. So a shard gets a
// share of a frame, and what is more waits for the next one, without holding up those behind it.
// Order within each shard stays: where one append waits, all later ones wait that share a shard
// with it.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>

#include "log/frame.h"
#include "stream/position.h"

namespace spillway::engine {

class FairTurn {
 public:
  // `share`: bytes of a shard in the frame. A shard's first append always goes.
  explicit FairTurn(std::uint64_t share) : share_(share) {}

  // Whether this append goes; asked of each, in the order of their arrival.
  bool take(std::span<const log::Entry> entries);
  bool any_waits() const { return any_waits_; }

 private:
  struct Use {
    std::uint64_t bytes = 0;
    bool waits = false;
  };

  const std::uint64_t share_;
  bool any_waits_ = false;
  std::unordered_map<stream::ShardId, Use> uses_;
};

}  // namespace spillway::engine
