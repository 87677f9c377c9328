// What a configuration means for a broker, one that runs or one that starts: which inputs come and
// go, which streams there are, and what can't be done at all. A pure function of what runs and what
// is wanted; BrokerReload carries it out.
//
// A target is what it is called: its name says what it has. How it is reached changes under way;
// for others, another order, or another form of records, all of them are made anew.
//
// An input whose port moves comes and goes: the new port is opened before the old one is closed.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/result.h"
#include "server/config.h"
#include "server/input_ports.h"

namespace spillway::server {

struct BrokerPlan {
  Config config;  // what runs then: as wanted, but for what waits for a restart
  // Those that records may come in for: `broker.stream`, those of producers, and those of inputs
  // that are on.
  std::vector<std::string> streams;
  std::vector<InputKind> opened;  // in the order of input_ports(), as those are:
  std::vector<InputKind> closed;
  bool new_targets = false;  // all of them are made anew
  // Else: places in targets_of(), of those that are reached another way than before.
  std::vector<std::size_t> changed_targets;
};

// kDenied: an input that asks nobody for a key would listen beyond loopback, or the Kinesis API
// would move across it while the broker runs; kInvalid: two would on one port, or a file can't be
// followed.
Result<BrokerPlan> plan_start(const Config& wanted);

// `running`: as of the plan before. `wanted`: valid by itself. Errors as of plan_start(); kInvalid,
// too, where it isn't valid beside what waits for a restart, or an input would get a port that
// another one has until the change is made.
Result<BrokerPlan> plan_change(const Config& running, const Config& wanted);

}  // namespace spillway::server
