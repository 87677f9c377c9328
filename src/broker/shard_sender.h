// Takes one shard of the spool to the target in use: from where the shard was delivered to on, one
// batch in memory and one request in flight, so that each lane arrives in its order. While no
// target is used nothing is read; and all senders together hold what a ReadBudget allows. Entries
// that failed are sent again alone, after a delay that grows and is spread at random, before the
// shard goes on. When another target is used, it gets the batch that was under way whole, and then
// what follows.
//
// A request that the target refuses for what is in it is halved until a record is alone; that one
// is given up, and no later record names it as its lane's previous one. But a target that has taken
// nothing yet has to show first that it takes anything (target_link.h).
//
// Records that are damaged in the spool are passed over, and told.
//
// After a restart what was acknowledged and not yet in the cursor is sent again, with the same
// origins.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/task.h"
#include "broker/cursors.h"
#include "broker/read_budget.h"
#include "broker/route.h"
#include "broker/spool_batch.h"
#include "io/event_log.h"
#include "io/event_loop.h"
#include "metrics/registry.h"
#include "stream/engine.h"

namespace spillway::broker {

// On the loop's thread. What it is handed outlives it.
class ShardSender {
 public:
  static constexpr nanoseconds kRetryFirst = milliseconds(50);
  static constexpr nanoseconds kRetryMax = seconds(1);
  // So often damage is read again, before what is in it is given up.
  static constexpr int kDamagedReads = 3;
  // Of a request, but for one record that is larger.
  static constexpr std::size_t kRequestBytesMax = std::size_t{1} << 20;

  struct Parts {
    io::EventLoop& loop;
    stream::Engine& engine;
    Cursors& cursors;
    Route& route;
    ReadBudget& budget;
    // How long a request with so many bytes of data and keys has to wait for its turn.
    std::function<nanoseconds(std::size_t bytes)> turn;
    io::EventLog& log;
    metrics::Counter& unreadable;  // records passed over
    metrics::Counter& dropped;     // records given up for room
  };

  ShardSender(Parts parts, std::string stream, stream::ShardId shard, Random random);
  // Not between start() and `ended`.
  ~ShardSender();

  // Runs until the end of drain() or close(); `ended` is called then, not from within start().
  void start(UniqueFunction<void()> ended);
  // The shard has new records.
  void wake();
  // What is before `next` is given up if it isn't delivered, as soon as no request is under way.
  void give_up_before(stream::Position next);
  // Another target is used.
  void rerouted();
  // Ends when the shard is sent.
  void drain();
  // Ends when what it is sending is delivered, at the latest when it is closed.
  void leave();
  // Ends now; the route is closed before.
  void close();

  const std::string& stream() const { return stream_; }
  // What is being sent: records of a batch, to the target that was asked last.
  struct UnderWay {
    std::uint64_t sent = 0;          // be it answered or not
    std::uint64_t acknowledged = 0;  // of those
    stream::Position end;            // behind the batch
  };
  // Where the shard is, and what is under way behind that.
  stream::Position next() const { return cursor_.next; }
  const UnderWay& under_way() const { return under_way_; }
  // Records that no target has acknowledged. Any thread.
  std::uint64_t held() const;
  PositionRange undelivered() const;
  // What give_up_before() was told last.
  stream::Position given_up_before() const { return give_up_before_; }

 private:
  struct Batch {
    std::vector<client::PutEntry> entries;
    std::vector<bool> given_up;  // of each entry
    stream::Position first;      // of the first entry; the others follow without a gap
    stream::Position next;
    LaneMarks lanes;  // of the entries before `next`, but for those that are given up
    ReadBudget::Share share;
    bool empty() const { return entries.empty(); }
  };

  Task<void> run();
  Task<Batch> read();
  Task<Result<stream::ReadResult>> read_from(stream::Position from, std::size_t bytes);
  Task<void> pass_over_damage(Error damage);
  void go_on_at(stream::Position next);
  // Gives the entries the sequences before theirs.
  void link(Batch& batch) const;
  Task<void> send(Batch batch);
  static Pending all_of(const Batch& batch);
  bool has_to_drop() const { return give_up_before_ > cursor_.next; }
  void drop();
  // Leaves of a batch what is to be dropped or was acknowledged before that.
  void cut(Batch& batch, const Pending& pending);
  void give_up(TargetLink& to, Batch& batch, std::size_t number, std::string_view why);
  void finish(Batch batch, const std::string& target);
  // Until `delay` is over (zero: without end), or the end.
  Task<void> wait(nanoseconds delay);
  nanoseconds next_delay();
  void resume();

  const Parts parts_;
  const std::string stream_;
  const stream::ShardId shard_;
  Random random_;
  Cursor cursor_;
  UnderWay under_way_;
  std::atomic<std::uint64_t> next_;  // cursor_.next, for held()
  stream::Position give_up_before_;
  nanoseconds retry_ = kRetryFirst;
  const std::unique_ptr<io::Timer> timer_;  // of wait()
  UniqueFunction<void(bool)> waiting_;
  bool unreadable_ = false;  // told
  int damaged_reads_ = 0;    // in a row
  bool idle_ = false;        // waiting for records
  bool woken_ = false;       // since the last look
  bool draining_ = false;
  bool leaving_ = false;
  bool closed_ = false;
  bool running_ = false;
};

}  // namespace spillway::broker
