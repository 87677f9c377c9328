// The broker's spool: what producers were told is accepted lies here, durably, until every target
// that it is for has it. It is an engine of its own (docs/decisions/0005), with a stream for each
// destination stream, of kShards shards: a lane (stream/hash_key.h) lies in one of them, so that
// the order of a shard is the order of its lanes.
//
// Each record gets its origin here, which it keeps whatever becomes of it: the producer, drawn at
// random for each stream when the spool is opened, the lane, and a sequence, in the order in which
// records stand in the shard. Sequences of an append that failed are never used again; the origin's
// `previous`, which passes over them, is therefore filled in where the record is sent.
#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "broker/spool_room.h"
#include "io/clock.h"
#include "io/entropy.h"
#include "io/event_loop.h"
#include "metrics/registry.h"
#include "stream/engine.h"
#include "stream/hash_key.h"
#include "stream/origin.h"
#include "stream/record_batch.h"

namespace spillway::broker {

class Spool {
 public:
  static constexpr std::uint32_t kShards = 8;
  // The stream of the cursors (cursors.h). No stream of the API can have such a name.
  static constexpr std::string_view kCursorStream = "/cursors";

  using Outcomes = std::vector<Result<stream::Appended>>;

  // They outlive the spool, which is the only one that appends to the engine.
  Spool(stream::Engine& engine, const SpoolRoom& room, io::Clock& clock, io::Entropy& entropy,
        metrics::Registry& metrics);
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  // Makes what is missing of these streams, and the stream of the cursors. Streams of earlier
  // starts stay. Before all else, and again for more streams.
  Task<Status> open(io::EventLoop& loop, std::vector<std::string> streams);

  // Appends the records to the stream, which open() was told of, keeping the order of each lane;
  // they are copied, and their origins are the spool's. `done` gets what became of each, when they
  // are durable, on any thread and possibly before this returns; it must not call the spool.
  // kThrottled: the spool is full; else as of stream::Engine::append.
  void put(std::string_view stream, std::span<const stream::RecordView> records,
           UniqueFunction<void(Outcomes)> done);
  // The same for records of an earlier spool, which have their origins and keep them.
  void restore(std::string_view stream, std::span<const stream::RecordView> records,
               UniqueFunction<void(Outcomes)> done);

  // All that there are, but for that of the cursors. Any thread.
  std::vector<std::string> streams() const;
  // Empty where there is no such stream. Any thread.
  std::vector<stream::ShardInfo> shards_of(std::string_view stream) const;
  stream::Engine& engine() const { return engine_; }
  // Since the start; any thread.
  std::uint64_t accepted_records() const { return records_.value(); }
  std::uint64_t accepted_bytes() const { return bytes_.value(); }  // of data
  std::uint64_t accepted_key_bytes() const { return key_bytes_.load(); }
  // From each put to its durability.
  const metrics::Histogram& put_seconds() const { return put_seconds_; }
  // Called with the shards that have new records, on any thread, from open() on.
  void on_appended(std::function<void(std::span<const stream::ShardId>)> told);

 private:
  struct Stream {
    stream::StreamRef info;
    stream::ProducerId producer{};
    std::array<std::uint64_t, stream::kLanes> last_sequences{};
  };
  struct Routed;

  static std::vector<Routed> route(const Stream& stream,
                                   std::span<const stream::RecordView> records);
  Stream& find(std::string_view name);
  enum class Origins { kNew, kKept };
  void append(Origins origins, std::string_view stream, std::span<const stream::RecordView> records,
              UniqueFunction<void(Outcomes)> done);
  std::vector<stream::AppendItem> fill(Origins origins, Stream& stream,
                                       const std::vector<Routed>& groups);
  Outcomes settle(std::size_t count, const std::vector<Routed>& groups, const Outcomes& of_groups);

  stream::Engine& engine_;
  const SpoolRoom& room_;
  io::Clock& clock_;
  io::Entropy& entropy_;
  metrics::Counter& records_;
  metrics::Counter& bytes_;
  std::atomic<std::uint64_t> key_bytes_ = 0;
  metrics::Counter& refused_;
  metrics::Histogram& put_seconds_;
  std::function<void(std::span<const stream::ShardId>)> told_;

  // Of streams_, and held until the engine has the order of what it is given.
  std::mutex mutex_;
  std::map<std::string, Stream, std::less<>> streams_;  // made by open(); none ever goes
};

}  // namespace spillway::broker
