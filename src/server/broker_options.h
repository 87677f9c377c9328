// What a configuration says to the parts of a broker, at the start as at SIGHUP.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "broker/route.h"
#include "broker/shard_sender.h"
#include "broker/spool_room.h"
#include "broker/target.h"
#include "broker/telemetry.h"
#include "io/disk.h"
#include "io/event_log.h"
#include "io/event_loop.h"
#include "server/config.h"

namespace spillway::server {

// They outlive the target.
struct TargetSeams {
  io::EventLoop& loop;
  io::Disk& disk;
  io::EventLog& log;
};
// `target`: one of targets_of(config). Errors, which name it, are those of its endpoint and of its
// certificates' file.
Result<broker::KinesisTargetOptions> target_options(const TargetSeams& seams,
                                                    const BrokerConfig& config,
                                                    const TargetConfig& target);
// Of all of them, in their order.
Result<std::vector<broker::KinesisTargetOptions>> all_target_options(const TargetSeams& seams,
                                                                     const BrokerConfig& config);
broker::RouteSettings route_settings(const BrokerConfig& config);
broker::WhenFull when_full(const BrokerConfig& config);
broker::CatchUp catch_up(const BrokerConfig& config);
nanoseconds linger(const BrokerConfig& config);
broker::TelemetryOptions telemetry_options(const BrokerConfig& config, std::string host);

}  // namespace spillway::server
