#include "server/broker_assembly.h"

#include <csignal>
#include <cstdio>

#include "base/version.h"
#include "broker/telemetry.h"
#include "client/trust.h"
#include "io/asio_loop.h"
#include "io/entropy.h"
#include "io/posix_disk.h"
#include "io/process.h"
#include "server/admin.h"
#include "server/http_server.h"
#include "server/process_metrics.h"

namespace spillway::server {

namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

Random seeded(io::Entropy& entropy) {
  unsigned char bytes[8];
  entropy.fill(bytes);
  std::uint64_t seed = 0;
  for (const unsigned char byte : bytes) seed = seed << 8 | byte;
  return Random(seed);
}

Result<broker::KinesisTargetOptions> target_options(io::Disk& disk, const BrokerConfig& config) {
  broker::KinesisTargetOptions options;
  options.stream = config.stream;
  options.shards = static_cast<std::uint32_t>(config.shards);
  SPILLWAY_ASSIGN(options.client.endpoint, client::parse_endpoint(config.endpoint));
  SPILLWAY_ASSIGN(options.client.tls, client::trust_for(disk, options.client.endpoint, config.ca));
  options.client.region = config.region;
  options.client.credentials = {config.access_key, config.secret_key, ""};
  options.client.connections_max = 1;  // one request at a time
  // The sender tries again for as long as it takes, and says so.
  options.client.attempts_max = 2;
  options.client.request_timeout = seconds(10);
  options.client.user_agent = fmt::format("spillway-broker/{}", version());
  return options;
}

broker::TelemetryOptions telemetry_options(const BrokerConfig& config, std::string host) {
  broker::TelemetryOptions options;
  options.host = std::move(host);
  options.limits.records = static_cast<std::size_t>(config.buffer_records);
  options.limits.bytes = static_cast<std::size_t>(config.buffer_mib) * kMiB;
  options.collector.directory = config.data;
  options.collector.host_metrics = config.host_metrics;
  options.collector.interval = milliseconds(config.interval_ms);
  options.collector.host.top_processes = static_cast<std::size_t>(config.top_processes);
  options.collector.files = config.files;
  return options;
}

// Puts what is held, then ends the loop.
void stop(io::AsioLoop& loop, broker::Telemetry& telemetry, HttpServer& admin, seconds at_most,
          Status& saved) {
  telemetry.stop(at_most, [&](Status places) {
    saved = std::move(places);
    admin.drain(seconds(1), [&loop] { loop.stop(); });
  });
}

Status outcome(const broker::Telemetry& telemetry, Status saved) {
  std::printf("spillway broker stopped: %llu records acknowledged\n",
              static_cast<unsigned long long>(telemetry.acknowledged()));
  std::fflush(stdout);
  SPILLWAY_TRY(std::move(saved));
  if (telemetry.held() == 0) return {};
  const auto status = telemetry.status();
  return Error{ErrorCode::kIo,
               fmt::format("{} records were not put: {}", telemetry.held(),
                           status.ok() ? "there was no time for them" : status.error().message)};
}

}  // namespace

Status run_broker(const Config& config, const ConfigSource& source) {
  const BrokerConfig& options = config.broker;
  const auto log = io::make_stderr_log(log_format(config.log), log_level(config.log));
  io::PosixDisk disk;
  io::SystemClock clock;
  io::SystemEntropy entropy;
  io::ThreadWorkers workers;
  metrics::Registry metrics;
  std::string host = options.host;
  if (host.empty()) {
    SPILLWAY_ASSIGN(host, io::host_name(disk));
  }
  SPILLWAY_ASSIGN(auto to, target_options(disk, options));

  io::AsioLoop loop;
  broker::KinesisTarget target(loop, std::move(to), seeded(entropy));
  SPILLWAY_ASSIGN(const auto telemetry, broker::Telemetry::make(telemetry_options(options, host),
                                                                {loop, disk, clock, entropy,
                                                                 workers, *log, metrics, target}));
  const ProcessMetrics process_metrics(metrics, disk, clock, *log, options.data);
  Routes routes;
  add_admin_routes(routes, {metrics, [&] { return telemetry->status(); },
                            [&] { return telemetry->status_json(); }});
  HttpServerOptions admin_options;
  admin_options.name = "admin";
  admin_options.address = options.admin;
  io::EventLoop* const loops[] = {&loop};
  HttpServer admin(loops, admin_options, routes, metrics, *log);
  if (auto listening = admin.listen(); !listening.ok())
    return context("broker.admin", std::move(listening).error());

  Status saved;
  bool stopping = false;
  loop.on_signal([&](int signal) {
    if (signal == SIGHUP && !stopping && reload(config, source, "broker", *log))
      log->info("configuration reloaded");
    if (signal == SIGHUP || std::exchange(stopping, true)) return;
    stop(loop, *telemetry, admin, seconds(options.drain_seconds), saved);
  });
  telemetry->start([&] {
    std::printf("spillway broker puts telemetry of %s into %s (metrics: http://%s/metrics)\n",
                host.c_str(), target.name().c_str(), options.admin.c_str());
    std::fflush(stdout);
  });
  loop.run();
  return outcome(*telemetry, std::move(saved));
}

}  // namespace spillway::server
