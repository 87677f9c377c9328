// What a configuration means for a broker, one that runs or one that starts: which inputs come and
// go, which streams there are, and what can't be done at all. A pure function of what runs and what
// is wanted; BrokerReload carries it out.
//
// A target is what it is called: its name says what it has. How it is reached changes under way;
// for others, another order, or another form of records, all of them are made anew.
//
// An input whose port moves comes and goes: the new port is opened before the old one is closed.
//
// A port that other machines reach is opened for senders that have an access key, if there are any.
// A start withholds it while there are none, since what is spooled is to be delivered all the same
// (docs/decisions/0009-a-start-without-keys-delivers.md); a change of what runs is refused.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "server/config.h"
#include "server/input_ports.h"

namespace spillway::server {

// What decides which ports may be opened.
struct PortAccess {
  bool keys = false;   // there are access keys
  std::string fault;   // why nobody can tell; empty: that is known
  bool https = false;  // there is a certificate
};

// An input that is configured, and closed.
struct WithheldInput {
  InputKind kind{};
  std::string why;  // for people, with what to do about it
};

struct BrokerPlan {
  Config config;  // what runs then: as wanted, but for what waits for a restart
  // Those that records may come in for: `broker.stream`, those of producers, and those of inputs
  // that are on.
  std::vector<std::string> streams;
  std::vector<InputKind> opened;  // in the order of input_ports(), as those are:
  std::vector<InputKind> closed;
  std::vector<WithheldInput> withheld;
  bool new_targets = false;  // all of them are made anew
  // Else: places in targets_of(), of those that are reached another way than before.
  std::vector<std::size_t> changed_targets;
};

// kDenied: an input that asks nobody for a key would listen beyond loopback; kInvalid: two would on
// one port, or a file can't be followed.
Result<BrokerPlan> plan_start(const Config& wanted, const PortAccess& access);

// `running`, `withheld`: as of the plan before. `wanted`: valid by itself. Errors as of
// plan_start(); kDenied, too, where a port would be withheld that wasn't; and kInvalid where it
// isn't valid beside what waits for a restart, or an input would get a port that another one has
// until the change is made.
Result<BrokerPlan> plan_change(const Config& running, std::span<const WithheldInput> withheld,
                               const Config& wanted, const PortAccess& access);

// Where other machines reach an input that goes by access keys; empty: nowhere.
std::string exposed_address(const BrokerPlan& plan);

}  // namespace spillway::server
