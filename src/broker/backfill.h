// Sends a target what it missed while another one was used, and of a target that isn't used now all
// that the one in use takes: from the spool, as far as that keeps it. Each shard's oldest first, so
// that each lane's records come in their order, with the origins that they have.
//
// It takes nothing from live records: one request is under way at a time, of a quarter of what a
// sender's holds; none is begun while a live one waits for its turn at that target; while
// the pace (pace.h) slows delivery down, none is sent before the live ones that wait for it; and
// after each it rests for as long as that took. A target that isn't closed gets none; one that was
// set back does, before anybody accepts it.
//
// A route returns to the target when it has everything but for what came in the last moment (lag()
// in switching.h), so that what is sent there then comes behind what it missed.
//
// What has been acknowledged is taken from the target's unsent ranges (cursors.h), so a restart
// goes on behind it. The next request waits until that is durable: at most the one that was under
// way is sent again.
//
// The `previous` of an origin is that of the record before it in the spool. Where that lies before
// what is sent, it is taken to be the sequence before: sequences are dense, but for appends that
// failed and records that were given up.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/task.h"
#include "broker/cursors.h"
#include "broker/route.h"
#include "broker/spool_batch.h"
#include "io/event_log.h"
#include "io/event_loop.h"
#include "metrics/owned_gauge.h"
#include "metrics/registry.h"
#include "stream/engine.h"

namespace spillway::broker {

// On the loop's thread. What it is handed outlives it.
class Backfill {
 public:
  static constexpr RequestBounds kRequest = {.bytes = std::size_t{256} << 10};
  // Between two looks for what the target lacks, where there is no more of it now.
  static constexpr nanoseconds kLook = seconds(1);
  // Between two looks whether the target takes more.
  static constexpr nanoseconds kTurn = milliseconds(50);
  // So often damage is read again, before what is in it is passed over.
  static constexpr int kDamagedReads = 3;
  // Of a shard, ranges that are passed over. What goes beyond is sent again, or looked for.
  static constexpr std::size_t kPassedOverMax = 1024;

  struct Parts {
    io::EventLoop& loop;
    stream::Engine& engine;
    Cursors& cursors;
    Route& route;
    // Zero where a request with so many bytes of data and keys may be sent now, which then counts
    // as sent; else when to ask again.
    std::function<nanoseconds(std::size_t bytes)> turn;
    io::EventLog& log;
    metrics::Registry& metrics;
  };
  struct Shard {  // of the spool
    std::string stream;
    stream::ShardId id = 0;
  };
  struct Progress {
    std::uint64_t missing = 0;  // records that it lacks, of those that another target has
    std::uint64_t gone = 0;     // those of them that the spool no longer holds
    std::uint64_t sent = 0;     // since the start
  };

  // For the target at `place`.
  Backfill(Parts parts, std::size_t place);
  // Not between start() and `ended`.
  ~Backfill();

  // The target gets what it missed of this one, too. At any time before close().
  void add(Shard shard) { shards_.push_back(std::move(shard)); }
  // Runs until close(); `ended` is called then, not from within start().
  void start(UniqueFunction<void()> ended);
  // Ends when what is under way is answered, at the latest when the route is closed.
  void close();

  // As of the last look.
  const Progress& progress() const { return progress_; }
  // What the target goes without, since the spool can't give it any more.
  PositionRanges passed_over(stream::ShardId shard) const {
    const auto found = passed_over_.find(shard);
    return found != passed_over_.end() ? found->second : PositionRanges();
  }

 private:
  enum class Left { kNone, kSome, kUnknown };  // of what the target lacks of a shard

  Task<void> run();
  Task<Left> fill(Shard shard);
  void filled(stream::ShardId shard, PositionRange sent);
  void pass_over(stream::ShardId shard, PositionRange range);
  PositionRanges lacks(stream::ShardId shard) const;
  std::optional<PositionRange> next_of(stream::ShardId shard) const;
  Task<std::optional<SpoolBatch>> read(stream::ShardId shard, PositionRange range);
  Task<bool> send(std::string stream, std::vector<client::PutEntry> entries);
  Task<TargetLink*> turn();
  void look();
  Task<void> wait(nanoseconds delay);

  const Parts parts_;
  const std::size_t place_;
  const std::string name_;
  std::vector<Shard> shards_;
  // The spool doesn't hold these, but for some that were sent.
  std::map<stream::ShardId, PositionRanges> passed_over_;
  std::uint64_t set_backs_ = 0;  // of the route, as of the last request
  Progress progress_;
  metrics::Counter& sent_;
  metrics::OwnedGauge missing_;
  metrics::OwnedGauge gone_;
  const std::unique_ptr<io::Timer> timer_;  // of wait()
  UniqueFunction<void(bool)> waiting_;
  bool running_ = false;
  bool closed_ = false;
};

}  // namespace spillway::broker
