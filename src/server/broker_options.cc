#include "server/broker_options.h"

#include <utility>

namespace spillway::server {

broker::RouteSettings route_settings(const BrokerConfig& config) {
  broker::RouteSettings settings;
  settings.switching.returns = config.returns;
  settings.switching.return_after = seconds(config.return_seconds);
  settings.canary_stream = config.canary_stream;
  return settings;
}

broker::WhenFull when_full(const BrokerConfig& config) {
  return config.when_full == "drop_oldest" ? broker::WhenFull::kDropOldest
                                           : broker::WhenFull::kReject;
}

broker::TelemetryOptions telemetry_options(const BrokerConfig& config, std::string host) {
  broker::TelemetryOptions options;
  options.host = std::move(host);
  options.stream = config.stream;
  options.collector.directory = config.data;
  options.collector.host_metrics = config.host_metrics;
  options.collector.interval = milliseconds(config.interval_ms);
  options.collector.host.top_processes = static_cast<std::size_t>(config.top_processes);
  options.collector.files = config.files;
  return options;
}

}  // namespace spillway::server
