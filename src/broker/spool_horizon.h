// From where on the spool holds records of each shard, as it was found in the last seconds.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <vector>

#include "io/event_loop.h"
#include "stream/engine.h"

namespace spillway::broker {

// On the loop's thread. What it is handed outlives it; destroyed when the loop runs no more.
class SpoolHorizon {
 public:
  static constexpr std::size_t kShardsAtOnce = 64;

  SpoolHorizon(io::EventLoop& loop, stream::Engine& engine) : loop_(loop), engine_(engine) {}

  // Looks at these, too, where it doesn't yet.
  void add(std::span<const stream::ShardId> shards);

  // Looks again at some of the shards, in turn, unless it is at it. Every second or so.
  void look();
  // What is before is no longer held; at the beginning where nothing was found yet.
  stream::Position oldest(stream::ShardId shard) const;

 private:
  io::EventLoop& loop_;
  stream::Engine& engine_;
  std::vector<stream::ShardId> shards_;
  std::size_t next_ = 0;     // of shards_
  std::size_t looking_ = 0;  // shards that are being looked at
  std::map<stream::ShardId, stream::Position> oldest_;
};

}  // namespace spillway::broker
