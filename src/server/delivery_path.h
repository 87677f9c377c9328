// What lies behind a broker's spool: its targets, the route to the one in use, people's switches,
// and the delivery. All of it is made from a configuration, and from what is durable: how far each
// shard of the spool was delivered, and what was switched. So it can be made anew, for other
// targets, while the process runs and the spool goes on accepting, just as after a restart.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/task.h"
#include "broker/cursors.h"
#include "broker/delivery.h"
#include "broker/high_water.h"
#include "broker/receipts.h"
#include "broker/spool.h"
#include "broker/spool_horizon.h"
#include "broker/switch_approval.h"
#include "broker/switch_log.h"
#include "broker/switch_state.h"
#include "broker/switches.h"
#include "broker/target.h"
#include "io/disk.h"
#include "io/entropy.h"
#include "io/event_log.h"
#include "io/event_loop.h"
#include "metrics/registry.h"
#include "server/config.h"

namespace spillway::server {

// On the loop's thread, but for what is marked.
class DeliveryPath {
 public:
  // They outlive the path.
  struct Parts {
    io::EventLoop& loop;
    io::Entropy& entropy;
    io::EventLog& log;
    metrics::Registry& metrics;
    broker::Spool& spool;               // open
    broker::Cursors& cursors;           // loaded
    broker::SwitchState& switch_state;  // loaded
    broker::SwitchLog& switch_log;      // open
    broker::Receipts& receipts;         // loaded
    const broker::SpoolHorizon& horizon;
    broker::HighWaterFile& high_water;  // loaded
    broker::SwitchApproval* approval;   // nullptr: switches need no grants
  };
  using TargetOptions = std::vector<broker::KinesisTargetOptions>;
  // How long requests under way may take to be answered before other targets take over.
  static constexpr nanoseconds kLeaveWithin = broker::HealthSettings().request_deadline;

  // `broker`: its name, for the log of switches. `targets`: all of `config`. `streams`: that
  // records may come in for.
  DeliveryPath(Parts parts, std::string broker, const BrokerConfig& config, TargetOptions targets,
               std::vector<std::string> streams);
  ~DeliveryPath();
  DeliveryPath(const DeliveryPath&) = delete;
  DeliveryPath& operator=(const DeliveryPath&) = delete;

  // `flows` is called once, when the first records are acknowledged.
  void start(UniqueFunction<void()> flows);
  // As Delivery's. Any thread.
  void wake(std::span<const stream::ShardId> shards);
  // Every second or so.
  void look();
  // When nothing is sent any more: what targets acknowledged is stored.
  void end();

  // Before replace(): from now on people's switches are refused with kBusy. kBusy where a person
  // holds a target that is none of `names`; the error says so.
  Status lock(std::span<const std::string> names);
  // In place of replace(), which does it too.
  void unlock() { locked_ = false; }
  // What is sent is answered, at the latest in kLeaveWithin; then other targets, those of `config`,
  // are sent what follows. What had no answer goes to them, too. Not during another one, nor after
  // drain().
  Task<void> replace(BrokerConfig config, TargetOptions targets, std::vector<std::string> streams);

  // The target at `place` is reached as these say from now on.
  void reach(std::size_t place, broker::KinesisTargetOptions options);
  // Those that records may come in for from now on; the spool has them.
  void set_streams(std::vector<std::string> streams);
  void set_switching(const broker::SwitchingSettings& settings);
  void set_catch_up(const broker::CatchUp& catch_up);
  void set_linger(nanoseconds linger);

  // As Switches'; kBusy too.
  Result<broker::Switches::Done> make_switch(const broker::Switches::Wish& wish);

  // Those of now: none is kept over a turn of the loop.
  broker::Delivery& delivery();
  broker::Switches& switches();
  const broker::Route& route() { return delivery().route(); }

 private:
  struct Stages;

  void begin();
  void set_woken(broker::Delivery* delivery);

  const Parts parts_;
  const std::string broker_;
  UniqueFunction<void()> flows_;
  bool locked_ = false;
  std::unique_ptr<Stages> stages_;

  std::mutex mutex_;
  broker::Delivery* woken_ = nullptr;  // by wake(); null: between two, when nobody sleeps
};

}  // namespace spillway::server
