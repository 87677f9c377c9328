// What lies behind a simulated broker's spool: its targets, the route to the one in use, people's
// switches, what is done about targets that were set back, and the delivery, as
// server/delivery_path.cc makes them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "broker/cursors.h"
#include "broker/delivery.h"
#include "broker/high_water.h"
#include "broker/marked_target.h"
#include "broker/route.h"
#include "broker/set_backs.h"
#include "broker/spool.h"
#include "broker/spool_horizon.h"
#include "broker/switch_log.h"
#include "broker/switch_state.h"
#include "broker/switches.h"
#include "io/event_log.h"
#include "metrics/registry.h"
#include "sim/broker_seed.h"
#include "sim/region_link.h"
#include "sim/stage.h"

namespace spillway::sim {

// On the stage. What it is handed outlives it; destroyed when the delivery has ended.
struct BrokerPath {
  struct Parts {
    Stage& stage;
    io::EventLog& log;
    metrics::Registry& metrics;
    const BrokerSettings& settings;
    broker::Spool& spool;               // open
    broker::Cursors& cursors;           // loaded
    broker::SwitchState& switch_state;  // loaded
    broker::SwitchLog& switch_log;      // open
    const broker::SpoolHorizon& horizon;
    broker::HighWaterFile& high_water;  // loaded
  };

  // `links`: to all regions; `order`: which of them are its targets.
  BrokerPath(const Parts& parts, const std::vector<RegionLink*>& links,
             std::vector<std::size_t> order, Random random);

  // Every second.
  void look();
  // The place of the region among the targets; targets.size(): it is none of them.
  std::size_t place_of(std::size_t region) const;

  const std::vector<std::size_t> order;
  const std::vector<std::string> names;  // of the targets
  std::vector<std::unique_ptr<SimTarget>> targets;
  std::vector<std::unique_ptr<broker::MarkedTarget>> marked_targets;
  broker::Route route;
  broker::Switches switches;
  broker::SetBacks set_backs;
  broker::Delivery delivery;
};

}  // namespace spillway::sim
