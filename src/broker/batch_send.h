// Sends a batch of a shard of the spool to the target in use, as several requests side by side:
// each lane is dealt to one of them (deal_lanes()), which sends what it has of a lane in its order.
// So none of a lane is ever under way twice, and a target that is far away gets more than a request
// a round trip.
//
// Entries that failed are sent again alone, after a delay that grows and is spread at random. A
// request that the target refuses for what is in it is halved until a record is alone; that one is
// given up. But a target that has taken nothing yet has to show first that it takes anything
// (target_link.h).
//
// When another target is used, it gets the whole batch, also what the one before has acknowledged;
// and so does one that was set back.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/task.h"
#include "broker/backoff.h"
#include "broker/lane_packing.h"
#include "broker/pause.h"
#include "broker/route.h"
#include "broker/shard_batch.h"
#include "io/event_loop.h"

namespace spillway::broker {

// On the loop's thread. What it is handed outlives it.
class BatchSend {
 public:
  // A request that another target's use ended says that its own took nothing, if it took longer.
  static constexpr nanoseconds kAnswered = milliseconds(500);

  struct Parts {
    io::EventLoop& loop;
    Route& route;
    const std::string& stream;
    const RequestBounds& request;
    // How long a request with so many bytes of data and keys has to wait for its turn. Asked once
    // for each record, whatever is sent again.
    std::function<nanoseconds(std::size_t bytes)> turn;
    // Asked before each request: whether it is to end, though not all is sent.
    std::function<bool()> ends;
    Random& random;
  };
  // Records of the batch, at the target that was asked last.
  struct Progress {
    std::uint64_t sent = 0;          // be it answered or not
    std::uint64_t acknowledged = 0;  // of those
  };

  BatchSend(Parts parts, ShardBatch& batch);

  // Ends when all is acknowledged or given up, or as `ends` says, and then when what is under way
  // is answered. Once.
  Task<void> run();
  // `ends` may say something else now, or the route. From within, whoever waits goes on.
  void look();
  // Likewise; another target is used, and tried soon.
  void rerouted();

  const Progress& progress() const { return progress_; }
  stream::Position end() const { return batch_.next(); }
  // Whether the target took nothing of some request, or there was none.
  bool took_nothing() const { return took_nothing_; }
  // After run(): what the target in use has to be sent yet; and that one. nullptr: it has to be
  // sent all, or there is none.
  Pending left() const;
  const TargetLink* asked() const { return elsewhere_ ? nullptr : to_; }

 private:
  // Lanes of the batch, sent one request at a time.
  struct Strand {
    explicit Strand(io::EventLoop& loop) : pause(loop) {}
    Pending pending;
    std::size_t most = 0;  // of a request
    Backoff backoff;
    Pause pause;
  };

  void begin(TargetLink& to);
  Task<void> send_strands();
  Task<void> send(std::size_t strand);
  Task<bool> prepare();
  Task<void> ask(std::size_t strand, Pending sent);
  Task<void> answered(std::size_t strand, Pending sent, client::PutRecordsResult result);
  Task<void> refused(std::size_t strand, Pending sent, std::string why);
  bool is_elsewhere() const;
  nanoseconds turn_of(const Pending& sent);
  Task<void> wait(std::size_t strand);

  const Parts parts_;
  ShardBatch& batch_;
  TargetLink* to_ = nullptr;
  std::uint64_t set_backs_ = 0;  // of the route, as it was begun with
  bool elsewhere_ = true;        // the batch has to be sent to another one, or there is none yet
  std::deque<Strand> strands_;   // none moves
  std::size_t running_ = 0;      // of those
  UniqueFunction<void(bool)> over_;
  std::vector<bool> sent_;   // of each entry, to that target
  std::vector<bool> turns_;  // likewise: it had its turn
  Progress progress_;
  Backoff backoff_;  // while there is no target
  Pause pause_;
  bool took_nothing_ = false;
};

}  // namespace spillway::broker
