// Reads a stream: every shard from its horizon on, parents to their end before their children, each
// shard with at most one GetRecords in flight. A stream that isn't there yet is waited for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
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
  // Between two looks at a shard that had nothing new. Kinesis allows five a second.
  nanoseconds poll_interval = milliseconds(250);
  nanoseconds retry_delay = seconds(1);  // after an error that the client gave up on
};

// On the loop's thread, which outlives it.
class StreamReader {
 public:
  // Records of one shard, in its order; never empty.
  using OnRecords = std::function<void(const std::string& shard_id, std::vector<Record> records)>;

  StreamReader(io::EventLoop& loop, std::unique_ptr<StreamCalls> calls, ReaderOptions options,
               OnRecords on_records);
  // Not between start() and the end of stop().
  ~StreamReader();
  StreamReader(const StreamReader&) = delete;
  StreamReader& operator=(const StreamReader&) = delete;

  void start();
  // `done` is called once everything has been given that was stored before this call. Never, if
  // stop() comes first.
  void read_to_tip(UniqueFunction<void()> done);
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
    std::string last_sequence_number;  // empty: nothing was read yet
    milliseconds behind{0};
    // The round of the last look that found nothing new; 0: there was none.
    std::uint64_t tip_round = 0;
  };
  struct Pause {
    std::unique_ptr<io::Timer> timer;
    UniqueFunction<void(bool)> done;
  };

  Task<void> discover();
  Task<void> read_shard(ShardState& shard);
  Task<Result<std::string>> iterator_of(ShardState& shard);
  // Takes an answer's records; the next iterator, empty at the shard's end.
  std::string take(ShardState& shard, std::uint64_t round, GetRecordsResult answer);
  void run(Task<void> task);
  Task<void> pause(nanoseconds delay);
  void resume_all();
  void check_tip();

  io::EventLoop& loop_;
  const std::unique_ptr<StreamCalls> calls_;
  const ReaderOptions options_;
  const OnRecords on_records_;

  std::map<std::string, std::unique_ptr<ShardState>> shards_;
  std::set<std::string> finished_;
  std::map<std::uint64_t, Pause> pauses_;
  std::uint64_t next_pause_ = 0;
  std::size_t running_ = 0;  // tasks
  bool discovered_ = false;  // all shards that can be read are being read
  bool stopping_ = false;
  Status status_;
  std::uint64_t round_ = 1;  // each read_to_tip() begins one, which only later looks belong to
  UniqueFunction<void()> tip_done_;
  UniqueFunction<void()> stop_done_;
};

}  // namespace spillway::client
