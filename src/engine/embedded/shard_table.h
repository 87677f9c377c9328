// What the engine keeps in memory of its shards: their tips, and the tail. Not thread-safe: the
// engine holds its lock around every call, and never around a disk.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "engine/embedded/snapshot.h"
#include "log/batch.h"
#include "stream/catalog.h"

namespace spillway::engine {

struct TailBatch {
  log::Batch batch;
  std::uint64_t frame = 0;
};

struct Shard {
  // Sequenced: handed to the flusher, durable or not. Visible: durable.
  std::uint64_t sequenced_next = 0;
  std::uint64_t visible_next = 0;
  std::int64_t sequenced_arrival_ms = 0;
  std::int64_t visible_arrival_ms = 0;
  bool closed = false;  // takes nothing more, as of what is sequenced
  bool visibly_closed = false;
  std::uint32_t data_key = 0;      // of the batches that it takes, likewise; 0: plain ones
  std::uint64_t queued_bytes = 0;  // sequenced, and neither visible nor failed yet
  std::int64_t retention_ms = 0;
  std::int64_t expired_before_ms = 0;
  std::uint64_t released = 0;  // nobody asks for what is before
  std::deque<TailBatch> tail;  // the newest visible batches; without gaps up to visible_next

  // Below it, records are in segments alone.
  std::uint64_t tail_begin() const {
    return tail.empty() ? visible_next : tail.front().batch.first;
  }
};

class ShardTable {
 public:
  Shard* find(stream::ShardId id);
  // Takes over the shards of `visible`; forgets, with their tail, those that are neither in it nor
  // in `newest`, the catalog with the changes under way. New ones begin at `first_position`.
  void adopt(const stream::Catalog& visible, const stream::Catalog& newest,
             std::uint64_t first_position);
  // What `stream` will be, before the change that makes it so is durable: adds the shards that are
  // not there yet.
  void foresee(const stream::StreamInfo& stream, std::uint64_t first_position);

  // A durable batch: its shard's tip moves behind it.
  void publish(const log::Batch& batch, std::uint64_t frame);
  // Forgets what was sequenced and never became durable.
  void forget_sequenced();

  // Visible batches of frames `after` < frame ≤ `through`, by shard and position.
  std::vector<log::Batch> batches_between(std::uint64_t after, std::uint64_t through) const;
  std::vector<ShardTipRow> tips() const;
  // Drops the oldest batches of frames ≤ `through` while the tail holds more than `bytes_max`.
  void evict(std::uint64_t through, std::uint64_t bytes_max);

  std::uint64_t tail_bytes() const { return tail_bytes_; }

 private:
  static std::uint64_t cost_of(const log::Batch& batch);
  void add_shards(const stream::StreamInfo& stream, std::uint64_t first_position);

  std::unordered_map<stream::ShardId, std::unique_ptr<Shard>> shards_;
  // Batches in the order of frames: which shard has the oldest.
  std::deque<std::pair<std::uint64_t, stream::ShardId>> order_;
  std::uint64_t tail_bytes_ = 0;
};

}  // namespace spillway::engine
