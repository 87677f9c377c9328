// Takes one shard of the spool to the target in use: from where the shard was delivered to on, one
// batch in memory (batch_send.h), which is delivered whole before the shard goes on, so that each
// lane arrives in its order. While no target is used nothing is read; and all senders together hold
// what a ReadBudget allows. When another target is used, it gets the batch that was under way
// whole, and then what follows. No later record names one that was given up as its lane's previous.
//
// A batch is for as many requests as the target takes at a time, shared by those who send. One that
// is full asks for twice as much; one that a single lane fills, of which no two requests may be
// under way, for little more: what is read beyond it was read in vain.
//
// Records that are damaged in the spool are passed over, and told.
//
// Where delivery goes on after a stop, CatchUp may have a backlog left behind: the shard goes on at
// its end. What was left behind is then sent oldest first, by the same steps, with what those of
// what comes leave of the target and of the pace; and a request a second whatever they leave, since
// no room comes back before it is sent. What precedes the first records behind the break isn't
// known: they name the sequence before, since sequences are dense but for appends that failed and
// records that were given up.
//
// After a restart what was acknowledged and not yet in the cursor is sent again, with the same
// origins.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/task.h"
#include "broker/backoff.h"
#include "broker/batch_send.h"
#include "broker/cursors.h"
#include "broker/pause.h"
#include "broker/read_budget.h"
#include "broker/route.h"
#include "broker/shard_batch.h"
#include "io/event_log.h"
#include "io/event_loop.h"
#include "metrics/registry.h"
#include "stream/catalog.h"
#include "stream/engine.h"

namespace spillway::broker {

// What is sent first where delivery goes on after a start, or after the target took nothing.
struct CatchUp {
  bool live_first = false;  // what comes from then on; else what waits, in its order
  // Of a shard: less is sent before what comes all the same, as it takes a few requests.
  std::uint64_t backlog_min = 4 * client::kPutRecordsMax;
};

// On the loop's thread. What it is handed outlives it.
class ShardSender {
 public:
  // So often damage is read again, before what is in it is given up.
  static constexpr int kDamagedReads = 3;
  // Of a batch.
  static constexpr std::size_t kRequestsMax = 8;
  // Of a batch of what was left behind, in bytes: what comes meanwhile waits for it.
  static constexpr std::size_t kLeftBehindBytesMax = std::size_t{256} << 10;
  // Between two looks whether the target takes that.
  static constexpr nanoseconds kTurn = milliseconds(50);
  // For so long after one that was sent the next request of that gives way to what comes.
  static constexpr nanoseconds kLeftBehindEvery = seconds(1);

  struct Parts {
    io::EventLoop& loop;
    stream::Engine& engine;
    Cursors& cursors;
    Route& route;
    ReadBudget& budget;
    const CatchUp& catch_up;  // may change
    // What doesn't fill a request waits for more until its first record is so old; may change.
    const nanoseconds& linger;
    RequestBounds request;
    // How long a request with so many bytes of data and keys has to wait for its turn.
    std::function<nanoseconds(std::size_t bytes)> turn;
    // The same for one that gives way to those: zero, or when to ask again.
    std::function<nanoseconds(std::size_t bytes)> spare_turn;
    io::EventLog& log;
    metrics::Counter& unreadable;  // records passed over
    metrics::Counter& dropped;     // records given up for room
  };

  // `shard`: of the spool's stream.
  ShardSender(Parts parts, std::string stream, const stream::ShardInfo& shard, Random random);
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
  // What waits now may be left behind, as where delivery goes on after a stop.
  void look_for_backlog();
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
  UnderWay under_way() const;
  // Records that no target has acknowledged, and those of them that were left behind. Any thread.
  std::uint64_t held() const;
  std::uint64_t left_behind() const { return left_behind_; }
  // From the first of them on; where some were left behind, with what was sent since.
  PositionRange undelivered() const;
  // What give_up_before() was told last.
  stream::Position given_up_before() const { return give_up_before_; }
  // How many of them are before that.
  std::uint64_t held_before(stream::Position next) const;

 private:
  enum class Part {
    kNext,        // what is behind cursor_
    kLeftBehind,  // before it
  };
  struct Batch {
    Part part = Part::kNext;
    ShardBatch records;
    ReadBudget::Share share;
    WallTime arrival{};  // of the first record
  };
  // Of a part.
  struct Reading {
    bool failing = false;   // told
    int damaged_reads = 0;  // in a row
  };

  Task<void> run();
  Part next_part() const;
  // What comes goes before what was left behind.
  bool is_live_first() const { return parts_.catch_up.live_first; }
  // Whether it is sent at all now.
  bool sends(Part part) const;
  bool is_due() const { return parts_.loop.mono_now() >= left_behind_due_; }
  // How long it waits for more, before it is read again. Zero: it is sent.
  nanoseconds linger_of(const Batch& batch);
  Task<void> wait_for_more(nanoseconds delay, stream::Position full);
  stream::Position full_at(const Batch& batch) const;
  std::optional<nanoseconds> turn_of(const Batch& batch) const;
  Reading& reading_of(Part part) { return readings_[static_cast<std::size_t>(part)]; }
  Task<Batch> read(Part part);
  Task<void> put_off(Part part);
  Task<Result<stream::ReadResult>> read_from(stream::Position from, RequestBounds bounds);
  // Of the part's first records.
  Task<void> pass_over_damage(Part part, PositionRange within, Error damage);
  void pass_over(Part part, PositionRange unreadable, std::string_view why);
  void go_on_at(stream::Position next);
  void leave_backlog_behind();
  PositionRanges ranges_left() const;
  void count_left();
  // Of the next batch.
  std::size_t requests_of_next() const;
  const LaneMarks& lanes_before(Part part, stream::Position first) const;
  Task<void> send(Batch batch);
  // Whether the batch of that part, from `first` on, isn't sent on.
  bool ends(Part part, stream::Position first);
  bool has_to_drop() const { return give_up_before_ > undelivered().first; }
  void drop();
  void drop_left_behind();
  // Leaves of a batch what is to be dropped or was acknowledged before that.
  void cut(ShardBatch& batch, const Pending& left);
  void finish(Batch batch, const std::string& target);
  // Until `delay` is over (zero: without end), or the end.
  Task<void> wait(nanoseconds delay);
  void resume();

  const Parts parts_;
  const std::string stream_;
  const stream::ShardId shard_;
  const std::uint8_t first_lane_;  // of the shard
  const std::uint8_t last_lane_;
  Random random_;
  Cursor cursor_;
  BatchSend* sending_ = nullptr;
  UnderWay under_way_;                         // while there is none: what didn't come to an end
  std::size_t requests_ = 1;                   // of the last batch
  std::atomic<std::uint64_t> next_;            // cursor_.next, for held()
  std::atomic<std::uint64_t> left_behind_{0};  // records; as the cursors have it
  // Of what was left behind, the lanes before that position, where they are known.
  stream::Position left_at_;
  LaneMarks left_lanes_;
  // Where what comes goes first: that isn't read before the one, and gives way until the other.
  MonoTime left_behind_from_{};
  MonoTime left_behind_due_;
  stream::Position give_up_before_;
  Backoff backoff_;
  Pause pause_;
  std::array<Reading, 2> readings_;  // what the one says isn't known of the other
  bool stopped_ = true;     // the target took nothing, as of the last request, or look for it
  bool caught_up_ = false;  // the last request took all that there was
  bool idle_ = false;       // waiting for records
  std::optional<stream::Position> lingers_from_;  // the first record of what waits, or waited
  MonoTime lingers_until_{};
  // While waiting for more: where there is likely enough for a request.
  std::optional<stream::Position> full_at_;
  bool woken_ = false;  // since the last look
  bool draining_ = false;
  bool leaving_ = false;
  bool closed_ = false;
  bool running_ = false;
};

}  // namespace spillway::broker
