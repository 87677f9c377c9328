// How much the spool may hold, and what goes when room is needed. What is delivered stays while
// there is room, for a region that loses it. What isn't goes only where WhenFull says so.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>

#include "base/result.h"
#include "base/time.h"
#include "io/event_log.h"
#include "metrics/registry.h"
#include "stream/engine.h"

namespace spillway::broker {

enum class WhenFull {
  kReject,      // what comes
  kDropOldest,  // of what is accepted, and not delivered
};

struct SpoolLimits {
  // On the disk, beside the journal's 64 MiB. While it is reached, records are refused.
  std::uint64_t bytes = std::uint64_t{4} << 30;
  // What was delivered stays at least for so long, unless the spool would else refuse records.
  nanoseconds keep = std::chrono::minutes(10);
  WhenFull when_full = WhenFull::kReject;
};

// Where each shard is delivered to.
using Delivered = std::map<stream::ShardId, stream::Position>;

class SpoolRoom {
 public:
  // Of what isn't delivered, one of so many parts is dropped at a time. Once that is gone, so many
  // looks in a row have to find that no file goes before there is more: files don't go at once.
  static constexpr std::uint64_t kDropParts = 8;
  static constexpr std::uint64_t kLooksPerDrop = 3;
  // That a disk is to have left: a start needs a file for its journal before it can deliver.
  static constexpr std::uint64_t kDiskLeftMin = std::uint64_t{64} << 20;

  // What it is handed outlives it.
  SpoolRoom(SpoolLimits limits, stream::Engine& engine, io::EventLog& log,
            metrics::Registry& metrics);

  // As of the last look: less than it may take where the disk has less.
  std::uint64_t limit_bytes() const { return room_bytes_; }
  std::uint64_t bytes() const { return bytes_; }  // as of the last look
  // kThrottled: the spool takes no more records; the error says why. Any thread.
  Status takes() const;
  // Gives back what may go. Every second or so, on one thread. `free_bytes`: that the disk has
  // left.
  void look(Delivered delivered, MonoTime now, std::uint64_t free_bytes = UINT64_MAX);
  WhenFull when_full() const { return limits_.when_full; }
  // From the next look() on; on its thread.
  void change(nanoseconds keep, WhenFull when_full) {
    limits_.keep = keep;
    limits_.when_full = when_full;
  }
  // Whether, as of the last look, the oldest that isn't delivered has to go. Not while what drops()
  // was told of lasts.
  bool must_drop() const;
  // What is before these is given up, as soon as those who send it can.
  void drops(Delivered next);

 private:
  struct Sample {
    MonoTime at;
    Delivered delivered;
  };
  void release(const Delivered& delivered);

  SpoolLimits limits_;
  stream::Engine& engine_;
  io::EventLog& log_;
  std::deque<Sample> samples_;  // the first is the last one that is older than limits_.keep
  bool full_told_ = false;
  Delivered dropping_;                     // by drops(), and not gone yet
  std::uint64_t bytes_ = 0;                // as of the last look
  std::uint64_t room_bytes_;               // likewise; those, and what may come
  std::atomic<bool> disk_is_full_{false};  // likewise
  std::uint64_t short_looks_ = 0;  // in a row, that found no room, and none that became free
  std::shared_ptr<void> bytes_gauge_;
  std::shared_ptr<void> limit_gauge_;
};

}  // namespace spillway::broker
