// Carries a plan out in a broker that runs. What can fail comes first: access keys and targets'
// certificates are read, the spool's streams are made and new ports opened; only then does anything
// change. One change at a time: of those that are wanted meanwhile the last one is made when it has
// ended.
#pragma once

#include <optional>
#include <span>
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
    bool https;  // its ports have a certificate
  };

  // `started`: what the broker was started with; `host`: this machine.
  BrokerReload(BrokerPlan started, std::string host, Parts parts);

  // What runs now, and what of it is closed.
  const Config& running() const { return running_; }
  std::span<const WithheldInput> withheld() const { return withheld_; }
  // Changes it to `wanted`, or tells in the log why not.
  void take(Config wanted);
  // Access keys are others: opens what was withheld for want of them, where it may be.
  void open_withheld();
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
  std::vector<WithheldInput> withheld_;
  const std::string host_;
  const Parts parts_;
  std::optional<Config> wanted_;
  bool again_ = false;  // what runs is to be looked at anew
  bool under_way_ = false;
  UniqueFunction<void()> closed_;
  bool ended_ = false;  // by close()
};

}  // namespace spillway::server
