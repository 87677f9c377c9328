// What the broker tells of itself at /v1/status, and `spillway up` reads.
#pragma once

#include <string>

#include "base/time.h"
#include "broker/activity.h"
#include "broker/delivery.h"
#include "broker/runway.h"
#include "broker/spool_room.h"
#include "broker/switches.h"
#include "broker/telemetry.h"

namespace spillway::broker {

struct StatusParts {
  const Telemetry& telemetry;
  const Delivery& delivery;
  const Runway& runway;
  const Switches& switches;
  const SpoolRoom& room;
  const Activity& activity;
};

// How the choice of a target stands now.
struct Standing {
  std::string footing;
  std::string because;
};
// As the choice has it; but of the only target, for which there was no choice to make, whether it
// takes records. On the loop's thread.
Standing standing_of(const Route& route);

// One JSON object. On the loop's thread.
std::string status_json(const StatusParts& of, MonoTime now);

}  // namespace spillway::broker
