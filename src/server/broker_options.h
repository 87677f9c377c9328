// What a configuration says to the parts of a broker, at the start as at SIGHUP.
#pragma once

#include <string>

#include "broker/route.h"
#include "broker/spool_room.h"
#include "broker/telemetry.h"
#include "server/config.h"

namespace spillway::server {

broker::RouteSettings route_settings(const BrokerConfig& config);
broker::WhenFull when_full(const BrokerConfig& config);
broker::TelemetryOptions telemetry_options(const BrokerConfig& config, std::string host);

}  // namespace spillway::server
