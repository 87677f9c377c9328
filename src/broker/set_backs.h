// What a broker does about targets that were set back (marked_target.h): such a target isn't used
// from then on, lacks what the spool keeps of what it was sent (backfill, where it has one, sends
// that at once), and is told of until somebody accepts it.
//
// First its cursors say durably what it lacks, then the state of switches that it was set back. A
// crash between the two finds it set back again, since what it had acknowledged is remembered until
// it is accepted: which isn't done before its cursors say durably what it lacks.
//
// What targets acknowledged is stored now and then (high_water.h).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "broker/cursors.h"
#include "broker/high_water.h"
#include "broker/marked_target.h"
#include "broker/route.h"
#include "broker/spool.h"
#include "broker/spool_horizon.h"
#include "broker/switches.h"
#include "io/event_log.h"
#include "io/event_loop.h"
#include "metrics/owned_gauge.h"
#include "metrics/registry.h"

namespace spillway::broker {

// On the loop's thread; calls block on the disk. What it is handed outlives it; destroyed when no
// call to a target is under way.
class SetBacks {
 public:
  static constexpr nanoseconds kStoreEvery = seconds(10);

  struct Parts {
    io::EventLoop& loop;
    io::EventLog& log;
    metrics::Registry& metrics;
    const Spool& spool;
    Cursors& cursors;
    const SpoolHorizon& horizon;
    Route& route;  // of the targets
    Switches& switches;
    HighWaterFile& file;  // loaded
    std::string canary_stream;
  };

  SetBacks(Parts parts, std::span<const std::unique_ptr<MarkedTarget>> targets);
  SetBacks(const SetBacks&) = delete;
  SetBacks& operator=(const SetBacks&) = delete;

  // Every second.
  void look();
  // What targets acknowledged is durable when it returns.
  Status store();

 private:
  void found(std::size_t place, std::string what);
  void take(std::size_t place);
  bool is_kept(std::size_t place) const;
  Status may_accept(std::size_t place) const;
  Status accept(std::size_t place);
  void forget_other_streams();
  void store_and_tell();

  const Parts parts_;
  const std::span<const std::unique_ptr<MarkedTarget>> targets_;
  std::vector<metrics::OwnedGauge> gauges_;      // by place
  std::map<std::size_t, std::string> unstored_;  // by place: what was found, for people
  std::uint64_t stored_changes_ = 0;
  MonoTime store_next_{};
  bool failing_ = false;
};

// Why nothing can be delivered before somebody accepts a target; ok where something can.
Status deliverable(const Route& route);

}  // namespace spillway::broker
