// When the first record of each shard that no target has was accepted, as it stands in the spool:
// that one is read where delivery has moved on. One at a time, and few in a row, since a batch is
// read whole for it.
#pragma once

#include <cstddef>
#include <map>
#include <optional>

#include "base/time.h"
#include "broker/oldest_records.h"
#include "io/event_loop.h"
#include "stream/engine.h"

namespace spillway::broker {

// On the loop's thread. What it is handed outlives it; destroyed when the loop runs no more.
class OldestUnsent {
 public:
  static constexpr std::size_t kReadsPerLook = 64;

  OldestUnsent(io::EventLoop& loop, stream::Engine& engine) : loop_(loop), engine_(engine) {}

  // Every second or so.
  void look(Undelivered held);
  // As found last; nullopt: nothing is held, or it is not known yet.
  std::optional<WallTime> accepted_at(stream::ShardId shard) const;

 private:
  struct Found {
    stream::Position first;
    std::optional<WallTime> accepted_at;
  };

  void read_next();
  void take(stream::ShardId shard, stream::Position first, const Result<stream::ReadResult>& read);

  io::EventLoop& loop_;
  stream::Engine& engine_;
  Undelivered held_;
  std::map<stream::ShardId, Found> found_;
  stream::ShardId last_ = 0;  // that was read
  std::size_t reads_ = 0;     // left of this look
  bool reading_ = false;
};

}  // namespace spillway::broker
