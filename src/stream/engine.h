// The boundary between the stream service and storage. Two engines are planned: embedded (one
// machine, src/engine/embedded) and Kafka (clusters).
//
// Every call may come from any thread and returns without blocking on a disk or a network.
// Callbacks run once each, on a thread of the engine's choosing, possibly before the call returned;
// they must be short (post to a loop and go). After stop() no callback is under way or will come,
// except that what was waiting is answered with kClosed first.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/shared_bytes.h"
#include "base/time.h"
#include "base/unique_function.h"
#include "stream/catalog.h"
#include "stream/position.h"

namespace spillway::stream {

struct AppendItem {
  ShardId shard = 0;
  std::uint32_t count = 0;  // records in the batch, > 0
  SharedBytes batch;        // as RecordBatchBuilder made it
  // Items of one append() with the same fate, other than 0, are all taken or all refused.
  std::uint32_t fate = 0;
};

// Where the first record of the batch stands; the others follow. They share the arrival time.
struct Appended {
  Position first;
  WallTime arrival;
};

// A batch as it is stored. `payload` is a view into `owner`.
struct StoredBatch {
  Position first;
  std::uint32_t count = 0;
  WallTime arrival;
  SharedBytes owner;
  std::string_view payload;
};

struct ReadRequest {
  ShardId shard = 0;
  Position from;
  // Batches are given whole; reading stops after the one that reaches either bound.
  std::uint32_t max_records = 10'000;
  std::size_t max_bytes = std::size_t{10} << 20;
};

struct ReadResult {
  // In order. The first may begin before `from` (skip what is before), or after it where records
  // have expired.
  std::vector<StoredBatch> batches;
  Position next;            // where the next read goes on
  Position tip;             // one behind the last visible record
  WallTime last_arrival{};  // of the last visible record; epoch when there never was one
  bool ended = false;       // the shard is closed, and `next` is its end
};

struct ShardTip {
  Position next;  // of the next record to become visible
  WallTime last_arrival{};
  bool closed = false;
};

// Hears of what becomes visible.
class EngineListener {
 public:
  virtual ~EngineListener() = default;
  // These shards (each once) have new records. On a thread of the engine's, which waits: be short.
  virtual void on_records(std::span<const ShardId> shards) = 0;
  // There is a new catalog: shards may have ended, streams may be gone. Likewise.
  virtual void on_catalog() = 0;
};

class Engine {
 public:
  virtual ~Engine() = default;

  // Appends each item to its shard, all with one sync. `done` gets one outcome per item, in order,
  // when they are durable and visible. Item errors: kNotFound (no such shard), kClosed (shard
  // closed; or its stream is encrypted and the batch is not: the log has no plain batch behind the
  // change that turned encryption on; told when that change is durable, so that catalog() has it,
  // or has failed), kThrottled (queue or tail full), kNoSpace, kIo (writes stopped until a restart;
  // the message says why). An item is all or nothing, and so are those that are taken: what fails
  // behind that fails all of them, and a crash leaves all or none. There is no order between items
  // of several calls except that calls made after another's `done` come after it.
  virtual void append(std::vector<AppendItem> items,
                      UniqueFunction<void(std::vector<Result<Appended>>)> done) = 0;

  // Reads what is visible: appended and durable. kNotFound; kInvalid when `from` is beyond the tip;
  // kCorrupt and kIo name file and offset.
  virtual void read(ReadRequest request, UniqueFunction<void(Result<ReadResult>)> done) = 0;

  // The position of the first visible, unexpired record that arrived at or after `time`; the tip if
  // there is none.
  virtual void find_by_time(ShardId shard, WallTime time,
                            UniqueFunction<void(Result<Position>)> done) = 0;
  // The position of the oldest record that has not expired; the tip if there is none.
  virtual void find_trim_horizon(ShardId shard, UniqueFunction<void(Result<Position>)> done) = 0;
  virtual Result<ShardTip> tip(ShardId shard) = 0;

  // Nobody will ask any more for what lies before `before`: its space may be used otherwise. Until
  // it is, and after a restart (which forgets this), it is read as before.
  virtual void release(ShardId shard, Position before) = 0;
  // Bytes that records take on the disk; without a journal, which has its size from the beginning.
  virtual std::uint64_t stored_bytes() = 0;

  // The catalog as of the last durable change.
  virtual CatalogRef catalog() = 0;
  // `decide` is called exactly once, before update_catalog returns, with the newest catalog
  // (changes under way included), and no other change can come between: it gives the change or the
  // reason why not (any Error, passed on). `done` gets the catalog with the change, when it is
  // durable.
  virtual void update_catalog(UniqueFunction<Result<CatalogChange>(const Catalog&)> decide,
                              UniqueFunction<void(Result<CatalogRef>)> done) = 0;

  // Who hears of what becomes visible from now on; nullptr: nobody. When it returns, whoever heard
  // before is not being called, and won't be.
  virtual void set_listener(EngineListener* listener) = 0;

  // Whether appends can succeed now; the error says what has to be done.
  virtual Status writable() = 0;

  // Takes no more, finishes what is under way, and joins its workers. Once.
  virtual void stop() = 0;
};

}  // namespace spillway::stream
