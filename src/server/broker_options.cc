#include "server/broker_options.h"

#include <fmt/format.h>

#include <utility>

#include "base/version.h"
#include "broker/concurrency.h"
#include "client/credentials_source.h"
#include "client/trust.h"

namespace spillway::server {
namespace {

// A target that isn't the only one is left early: records needn't wait for it.
constexpr nanoseconds kOnlyTargetTimeout = seconds(10);

Result<broker::KinesisTargetOptions> read_options(io::Disk& disk, const BrokerConfig& config,
                                                  const TargetConfig& target) {
  const bool only = config.targets.size() <= 1;
  broker::KinesisTargetOptions options;
  options.name = target.name;
  options.shards = static_cast<std::uint32_t>(*target.shards);
  options.canary_stream = config.canary_stream;
  const bool amazon = *target.kind == "amazon";
  options.origins = *target.origins && (!amazon || *target.aggregate);
  options.client.cbor = !amazon;
  if (amazon)
    options.packing =
        options.origins ? broker::LanePacking::kAggregate : broker::LanePacking::kSingle;
  SPILLWAY_ASSIGN(options.client.endpoint, client::parse_endpoint(target.endpoint));
  SPILLWAY_ASSIGN(options.client.tls, client::trust_for(disk, options.client.endpoint, *target.ca));
  options.client.region = *target.region;
  options.client.credentials = {*target.access_key, *target.secret_key, ""};
  // One that waits for its turn isn't judged; one that waits for a connection would be.
  options.client.connections_max = broker::Concurrency::kMax + 1;  // and a canary
  // A sender tries again for as long as it takes, and says so.
  options.client.attempts_max = 1;
  options.client.request_timeout =
      only ? kOnlyTargetTimeout : broker::HealthSettings().request_deadline;
  if (!only) options.client.connect_timeout = options.client.request_timeout;
  options.client.user_agent = fmt::format("spillway-broker/{}", version());
  return options;
}

}  // namespace

Result<broker::KinesisTargetOptions> target_options(const TargetSeams& seams,
                                                    const BrokerConfig& config,
                                                    const TargetConfig& target) {
  auto options = read_options(seams.disk, config, target);
  if (!options.ok()) return context("target " + target.name, std::move(options).error());
  if (!target.credentials->empty()) {
    options->client.source = std::make_shared<client::CredentialsSource>(
        seams.loop, seams.disk, seams.log,
        client::parse_credentials_place(*target.credentials).value(),
        "target " + target.name);  // as the configuration was checked
  }
  return options;
}

Result<std::vector<broker::KinesisTargetOptions>> all_target_options(const TargetSeams& seams,
                                                                     const BrokerConfig& config) {
  const auto configured = targets_of(config);
  std::vector<broker::KinesisTargetOptions> all;
  all.reserve(configured.size());
  for (const auto& target : configured) {
    SPILLWAY_ASSIGN(auto options, target_options(seams, config, target));
    all.push_back(std::move(options));
  }
  return all;
}

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

broker::CatchUp catch_up(const BrokerConfig& config) {
  broker::CatchUp catch_up;
  catch_up.live_first = config.catch_up == "live_first";
  return catch_up;
}

nanoseconds linger(const BrokerConfig& config) { return milliseconds(config.linger_ms); }

broker::TelemetryOptions telemetry_options(const BrokerConfig& config, std::string host) {
  broker::TelemetryOptions options;
  options.host = std::move(host);
  options.stream = config.stream;
  options.collector.directory = config.data;
  options.collector.host_metrics = config.host_metrics;
  options.collector.interval = milliseconds(config.interval_ms);
  options.collector.host.top_processes = static_cast<std::size_t>(config.top_processes);
  options.collector.files = config.files;
  options.collector.files_multiline = config.files_multiline;
  return options;
}

}  // namespace spillway::server
