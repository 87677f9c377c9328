// Takes streams of the spool to the target in use, each of their shards by a ShardSender, and what
// other targets missed to them, by a Backfill for each that is to have it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/random.h"
#include "broker/backfill.h"
#include "broker/cursors.h"
#include "broker/oldest_records.h"
#include "broker/pace.h"
#include "broker/receipt.h"
#include "broker/route.h"
#include "broker/shard_sender.h"
#include "broker/spool.h"
#include "broker/spool_room.h"
#include "io/event_log.h"
#include "io/event_loop.h"
#include "metrics/registry.h"

namespace spillway::broker {

// On the loop's thread, but for what is marked. What it is handed outlives it.
class Delivery {
 public:
  // Of the spool in memory, and as much again of what is being sent: at most so much, and
  // ReadBudget::kShareMin of each shard.
  static constexpr std::size_t kReadBytesMax = std::size_t{8} << 20;
  static constexpr nanoseconds kToldEvery = seconds(60);

  struct Parts {
    io::EventLoop& loop;
    Spool& spool;
    Cursors& cursors;
    Route& route;
    io::EventLog& log;
    metrics::Registry& metrics;
  };

  // `streams`: of the spool, as opened. `random` spreads retries. `backfilled`: the places of the
  // targets that get what they missed. `request`: what one may be. `copies`: a record's room is
  // free when so many targets have it; beyond one, all are backfilled.
  Delivery(Parts parts, std::span<const std::string> streams, Random random,
           std::span<const std::size_t> backfilled = {}, CatchUp catch_up = {},
           const RequestBounds& request = {}, std::size_t copies = 1);

  // Starts the route too. `flows` is called once, when the first records are acknowledged.
  void start(UniqueFunction<void()> flows);
  // Takes these streams of the spool, too, if it doesn't yet. Between start() and drain().
  void add(std::span<const std::string> streams);
  // What waits is sent so from now on.
  void set_catch_up(const CatchUp& catch_up);
  // From now on what doesn't fill a request waits until its first record is so old; zero: it is
  // sent at once, and what comes while a request is under way is the next one.
  void set_linger(nanoseconds linger) { linger_ = linger; }
  // These shards of the spool have new records. Any thread.
  void wake(std::span<const stream::ShardId> shards);
  // Sends what the spool holds, then ends; after `at_most` it gives up. The route is closed then.
  // `done` is called at the end, when the cursors are durable or can't be, never from within. Once.
  void drain(nanoseconds at_most, UniqueFunction<void()> done);

  // Sends no more than what is being sent, and ends as drain() does: the rest is for whoever has
  // the spool's streams after this. Instead of drain().
  void leave(nanoseconds at_most, UniqueFunction<void()> done);

  const Route& route() const { return parts_.route; }
  // The shards of what no target has; and what is before these is given up for room: counted, and
  // told in the log, at most once in kToldEvery.
  Undelivered undelivered() const;
  void give_up_before(const Delivered& next);
  // What give_up_before() was told last, be it done or not.
  Delivered given_up_before() const;
  // As a restart would find it: nobody goes back before that, and as many targets have what is
  // before it as are to have it.
  Delivered delivered() const;
  std::uint64_t held() const;         // records of the spool that no target has
  std::uint64_t left_behind() const;  // those of them that others went before
  // Those from the first on that isn't delivered, or that fewer targets have than are to: no room
  // comes of any.
  std::uint64_t needed() const;
  std::vector<std::string> held_streams() const;              // that have some; sorted
  std::uint64_t dropped() const { return dropped_.value(); }  // given up for room; any thread
  // How each shard is now.
  std::vector<ShardUnderWay> under_way() const;
  // Of the target at `place`; nullptr: it gets nothing of what it missed.
  const Backfill* backfill(std::size_t place) const;

 private:
  std::vector<ShardSender*> make_senders(std::span<const std::string> streams);
  void end(nanoseconds at_most, UniqueFunction<void()> done, void (ShardSender::*how)());
  void ended();
  stream::Position delivered(stream::ShardId shard) const;
  Pace& pace(MonoTime now);
  nanoseconds take_spare(std::size_t bytes);

  const Parts parts_;
  ReadBudget budget_{kReadBytesMax};
  CatchUp catch_up_;
  nanoseconds linger_{0};
  const std::size_t copies_;
  Pace pace_;
  metrics::Counter& dropped_;
  metrics::Gauge& yields_;
  const ShardSender::Parts sender_parts_;
  Random random_;
  std::map<stream::ShardId, std::unique_ptr<ShardSender>> senders_;  // none ever goes
  std::map<std::size_t, std::unique_ptr<Backfill>> backfills_;       // by place; likewise
  std::shared_ptr<void> held_gauge_;
  std::shared_ptr<void> left_behind_gauge_;
  const std::unique_ptr<io::Timer> deadline_;
  UniqueFunction<void()> done_;
  std::size_t running_ = 0;
  std::optional<MonoTime> drop_told_;
};

}  // namespace spillway::broker
