// What goes into and out of each stream and each shard, counted since the process began.
//
// The counts are the server's own: shard-level metrics show them, and on-demand streams are scaled
// by them, without going through any metrics pipeline. Streams and shards share their ids, and a
// table.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "stream/catalog.h"

namespace spillway::kinesis {

// In the order of the model's MetricsName: bit i of StreamInfo::shard_level_metrics is the i-th.
struct Flow {
  std::uint64_t incoming_bytes = 0;  // data and keys of records that were put
  std::uint64_t incoming_records = 0;
  std::uint64_t outgoing_bytes = 0;  // likewise, by GetRecords and SubscribeToShard
  std::uint64_t outgoing_records = 0;
  std::uint64_t write_exceeded = 0;  // records that were throttled
  std::uint64_t read_exceeded = 0;   // calls that were
  std::int64_t iterator_age_ms = 0;  // how far the last read lies back

  // Adds the counts; the age is that of `more` where that has read.
  void add(const Flow& more, bool has_read = false);
};

// What one read gave its reader.
struct ReadAmount {
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;     // of their data and keys
  std::int64_t behind_ms = 0;  // how far the last record lies back; 0 at the tip
};

// Thread-safe.
class Traffic {
 public:
  // Of the stream or shard of that id. `has_read`: iterator_age_ms tells something.
  void add(std::uint64_t id, const Flow& more, bool has_read = false);
  // Zeros where nothing was counted.
  Flow of(std::uint64_t id) const;
  // Forgets streams and shards that are not in it.
  void keep_only(const stream::Catalog& catalog);
  std::size_t size() const;

 private:
  // A lock each, so that loops seldom wait for each other.
  struct Stripe {
    mutable std::mutex mutex;
    std::unordered_map<std::uint64_t, Flow> flows;
  };
  static constexpr std::size_t kStripes = 16;

  std::array<Stripe, kStripes> stripes_;
};

}  // namespace spillway::kinesis
