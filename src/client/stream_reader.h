// Reads a stream: every shard from its horizon or another start on, parents to their end before
// their children, each shard with at most one GetRecords in flight. A stream that isn't there yet
// is waited for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/task.h"
#include "client/kinesis_client.h"
#include "io/event_loop.h"

namespace spillway::client {

// The calls that a reader makes of one stream; errors are KinesisClient's. On the loop's thread.
class StreamCalls {
 public:
  virtual ~StreamCalls() = default;
  virtual Task<Result<std::vector<Shard>>> list_shards() = 0;
  virtual Task<Result<std::string>> get_shard_iterator(std::string shard_id,
                                                       IteratorStart start) = 0;
  virtual Task<Result<GetRecordsResult>> get_records(std::string iterator) = 0;
};

// Those of a real client, which outlives it.
std::unique_ptr<StreamCalls> stream_calls(KinesisClient& client, std::string stream);

struct ReaderOptions {
  // Where reading begins:
  //   kTrimHorizon   every shard at its horizon;
  //   kLatest        open shards at their tip when they are first listed, closed ones not at all.
  //                  Of a stream that isn't there at first, everything;
  //   kAtTimestamp   every shard at that time;
  //   k…SequenceNumber   the shard `from_shard`, which holds it. Of others, those that it was split
  //                  or merged into, from their horizon.
  IteratorStart from;
  std::string from_shard;
  // Shards, by id, that are read behind these sequence numbers instead. Not with kLatest, which
  // leaves out closed shards, or with a sequence number.
  std::map<std::string, std::string> places;
  // Between two looks at a shard that had nothing new. Kinesis allows five a second.
  nanoseconds poll_interval = milliseconds(250);
  nanoseconds retry_delay = seconds(1);  // after an error that the client gave up on
  // For read_to_tip(): a stream that isn't there has been read to its tip.
  bool missing_is_empty = false;
};

// What a reader tells, on the loop. From within, it may be asked for anything but its end.
class ReaderEvents {
 public:
  virtual ~ReaderEvents() = default;
  // Records of one shard, in its order; never empty.
  virtual void on_records(const std::string& shard_id, std::vector<Record> records) = 0;
  // The shard begins to be read.
  virtual void on_shard(const std::string& /*shard_id*/) {}
  // All that was stored in the shard at `began` has been given.
  virtual void on_tip(const std::string& /*shard_id*/, MonoTime /*began*/) {}
  // The shard was read to its end; on_shard() was called for those children that can be read.
  virtual void on_end(const std::string& /*shard_id*/) {}
};

// On the loop's thread, which outlives it, as `events` does.
class StreamReader {
 public:
  StreamReader(io::EventLoop& loop, std::unique_ptr<StreamCalls> calls, ReaderOptions options,
               ReaderEvents& events);
  // Not between start() and the end of stop().
  ~StreamReader();
  StreamReader(const StreamReader&) = delete;
  StreamReader& operator=(const StreamReader&) = delete;

  void start();
  // `done` is called once everything has been given that was stored before this call. Never, if
  // stop() comes first.
  void read_to_tip(UniqueFunction<void()> done);
  // The shard isn't read on until release(). One that isn't being read is no error.
  void hold(const std::string& shard_id);
  void release(const std::string& shard_id);
  // Ends when the calls under way have ended; closing the client ends these at once. `done` is
  // called on the loop, never from within.
  void stop(UniqueFunction<void()> done);

  // Of the shard that is behind most, as its last answer said; 0 before the first.
  milliseconds behind() const;
  std::size_t shards() const { return shards_.size(); }  // being read
  // The error that is being retried, if any.
  const Status& status() const { return status_; }

 private:
  struct ShardState {
    std::string id;
    IteratorStart start;
    std::string last_sequence_number;  // empty: nothing was read yet
    milliseconds behind{0};
    // The round of the last look that found nothing new; 0: there was none.
    std::uint64_t tip_round = 0;
    bool held = false;
    UniqueFunction<void(bool)> released;  // set while the task waits for it
  };
  struct Pause {
    std::unique_ptr<io::Timer> timer;
    UniqueFunction<void(bool)> done;
  };

  Task<void> discover();
  // At the first list: which shards are never read.
  void skip(const std::vector<Shard>& listed);
  IteratorStart start_of(const Shard& shard) const;
  Task<void> read_shard(ShardState& shard);
  Task<Result<std::string>> iterator_of(ShardState& shard);
  // Takes an answer's records; the next iterator, empty at the shard's end.
  std::string take(ShardState& shard, std::uint64_t round, MonoTime began, GetRecordsResult answer);
  Task<void> while_held(ShardState& shard);
  void run(Task<void> task);
  Task<void> pause(nanoseconds delay);
  void resume_all();
  void check_tip();

  io::EventLoop& loop_;
  const std::unique_ptr<StreamCalls> calls_;
  const ReaderOptions options_;
  ReaderEvents& events_;

  std::map<std::string, std::unique_ptr<ShardState>> shards_;
  std::set<std::string> finished_;
  std::map<std::uint64_t, Pause> pauses_;
  std::uint64_t next_pause_ = 0;
  std::size_t running_ = 0;    // tasks
  bool first_list_ = true;     // none has been seen
  bool from_horizon_ = false;  // the stream was not there at first
  bool discovered_ = false;    // all shards that can be read are being read
  bool stopping_ = false;
  // `who` is a shard's id; empty: the listing of shards. A success clears what the same one met.
  void failed(const std::string& who, Error error);
  void succeeded(const std::string& who);

  Status status_;
  std::string failing_;      // who met it
  std::uint64_t round_ = 1;  // each read_to_tip() begins one, which only later looks belong to
  UniqueFunction<void()> tip_done_;
  UniqueFunction<void()> stop_done_;
};

}  // namespace spillway::client
