// Which of the undelivered records are the oldest, over all shards of the spool. It goes by where
// the shards ended at some times since the start. Between two of these, and among what earlier
// starts left, each shard's first records are taken for as old as the others'.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>

#include "broker/cursors.h"
#include "broker/spool_room.h"

namespace spillway::broker {

// Of each shard: the first record that isn't delivered, and behind the last.
using Undelivered = std::map<stream::ShardId, PositionRange>;

class OldestRecords {
 public:
  // Beyond that many times every second one is forgotten, and they are noted half as often.
  static constexpr std::size_t kTimesMax = 64;

  // Every second or so.
  void look(const Undelivered& held);
  // Where each shard goes on when the oldest of `held`, one of so many `parts`, is gone.
  Delivered without_oldest(const Undelivered& held, std::uint64_t parts) const;

 private:
  std::deque<Delivered> ends_;  // of the shards, oldest first
  std::uint64_t looks_ = 0;
  std::uint64_t looks_per_time_ = 1;
};

}  // namespace spillway::broker
