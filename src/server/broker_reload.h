// Carries a plan out in a broker that runs. What can fail comes first: access keys and targets'
// certificates are read, the spool's streams are made and new ports opened; only then does anything
// change. One change at a time: of those that are wanted meanwhile the last one is made when it has
// ended.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/task.h"
#include "broker/runway.h"
#include "broker/spool.h"
#include "broker/spool_room.h"
#include "broker/telemetry.h"
#include "io/event_log.h"
#include "io/event_loop.h"
#include "server/broker_access.h"
#include "server/broker_inputs.h"
#include "server/broker_plan.h"
#include "server/delivery_path.h"

namespace spillway::server {

// On the loop's thread.
class BrokerReload {
 public:
  // They outlive it.
  struct Parts {
    io::EventLoop& loop;
    io::Disk& disk;
    broker::Spool& spool;
    broker::SpoolRoom& room;
    broker::Runway& runway;
    DeliveryPath& path;
    broker::Telemetry& telemetry;
    BrokerInputs& inputs;
    BrokerAccess& access;
    io::StderrLog& log;
  };

  // `running`: what the broker was started with; `host`: this machine.
  BrokerReload(Config running, std::string host, Parts parts)
      : running_(std::move(running)), host_(std::move(host)), parts_(parts) {}

  // What runs now.
  const Config& running() const { return running_; }
  // Changes it to `wanted`, or tells in the log why not.
  void take(Config wanted);
  // Takes no more, and calls `closed` when no change is under way: maybe before this returns. Once.
  void close(UniqueFunction<void()> closed);

 private:
  Task<void> make();
  Task<Status> change(Config wanted);
  using TargetOptions = DeliveryPath::TargetOptions;
  Task<Status> open(BrokerPlan plan);
  Result<TargetOptions> read_targets(const BrokerPlan& plan) const;
  void use(const BrokerPlan& plan, TargetOptions targets, AccessKeys::Prepared keys);

  Config running_;
  const std::string host_;
  const Parts parts_;
  std::optional<Config> wanted_;
  bool under_way_ = false;
  UniqueFunction<void()> closed_;
};

}  // namespace spillway::server
