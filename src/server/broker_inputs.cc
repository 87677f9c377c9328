#include "server/broker_inputs.h"

#include <fmt/format.h>

#include <atomic>
#include <functional>
#include <utility>

#include "server/access_keys.h"

namespace spillway::server {
namespace {

// Calls `done` at its `count`th call.
std::function<void()> at_the_last(std::size_t count, UniqueFunction<void()> done) {
  struct State {
    std::atomic<std::size_t> left;
    UniqueFunction<void()> done;
  };
  const auto state = std::make_shared<State>(count, std::move(done));
  return [state] {
    if (state->left.fetch_sub(1) == 1) state->done();
  };
}

}  // namespace

BrokerInputs::BrokerInputs(const BrokerConfig& config)
    : loops_(config.threads > 0 ? static_cast<std::size_t>(config.threads) : io::core_count()) {}

Status BrokerInputs::check(const BrokerConfig& config) {
  for (const auto& [key, address] :
       {std::pair{"broker.listen", &config.listen}, std::pair{"broker.http", &config.http},
        std::pair{"broker.otlp", &config.otlp}, std::pair{"broker.syslog_tcp", &config.syslog_tcp},
        std::pair{"broker.syslog_udp", &config.syslog_udp}}) {
    if (address->empty() || is_loopback(*address)) continue;
    return Error{
        ErrorCode::kDenied,
        fmt::format("{} is {}: a broker has no access keys yet, and listens on loopback only", key,
                    *address)};
  }
  return {};
}

Result<std::unique_ptr<BrokerInputs>> BrokerInputs::make(const BrokerConfig& config,
                                                         const std::string& host,
                                                         const std::vector<std::string>& streams,
                                                         const Parts& parts) {
  std::unique_ptr<BrokerInputs> inputs(new BrokerInputs(config));
  if (!config.listen.empty()) {
    SPILLWAY_ASSIGN(inputs->kinesis_, BrokerInput::make(config, streams,
                                                        {inputs->loops_.loops(), parts.disk,
                                                         parts.clock, parts.entropy, parts.workers,
                                                         parts.log, parts.metrics, parts.spool}));
    inputs->described_.push_back(
        fmt::format("records for {} on http://{}", fmt::join(streams, ", "), config.listen));
  }
  if (!config.http.empty()) SPILLWAY_TRY(inputs->add_http(config, streams, parts));
  if (!config.otlp.empty()) SPILLWAY_TRY(inputs->add_otlp(config, parts));
  SPILLWAY_TRY(inputs->add_syslog(config, parts));
  if (!config.stdin_stream.empty()) {
    SPILLWAY_ASSIGN(auto input, io::open_standard_input(inputs->loops_.first()));
    inputs->lines_ = std::make_unique<broker::LineInput>(
        std::move(input), config.stdin_stream, "stdin/" + host,
        broker::LineInput::Parts{inputs->loops_.first(), parts.spool, parts.log, parts.metrics});
    inputs->described_.push_back(
        fmt::format("lines of standard input for {}", config.stdin_stream));
  }
  inputs->loops_.start();
  return inputs;
}

Status BrokerInputs::add_http(const BrokerConfig& config, const std::vector<std::string>& streams,
                              const Parts& parts) {
  http_ = std::make_unique<HttpInput>(parts.spool, streams, parts.entropy, parts.metrics);
  HttpServerOptions options;
  options.name = "http";
  options.address = config.http;
  options.connections = static_cast<std::size_t>(config.connections_max);
  http_server_ =
      std::make_unique<HttpServer>(loops_.loops(), options, *http_, parts.metrics, parts.log);
  if (auto listening = http_server_->listen(); !listening.ok())
    return context("broker.http", std::move(listening).error());
  described_.push_back(fmt::format("JSON on http://{}/v1/records/STREAM", config.http));
  return {};
}

Status BrokerInputs::add_otlp(const BrokerConfig& config, const Parts& parts) {
  otlp_ = std::make_unique<OtlpInput>(
      parts.spool,
      OtlpStreams{config.otlp_logs_stream, config.otlp_metrics_stream, config.otlp_traces_stream},
      parts.metrics);
  HttpServerOptions options;
  options.name = "otlp";
  options.address = config.otlp;
  options.connections = static_cast<std::size_t>(config.connections_max);
  otlp_server_ =
      std::make_unique<HttpServer>(loops_.loops(), options, *otlp_, parts.metrics, parts.log);
  if (auto listening = otlp_server_->listen(); !listening.ok())
    return context("broker.otlp", std::move(listening).error());
  described_.push_back(fmt::format("OTLP on http://{}", config.otlp));
  return {};
}

Status BrokerInputs::add_syslog(const BrokerConfig& config, const Parts& parts) {
  if (config.syslog_tcp.empty() && config.syslog_udp.empty()) return {};
  syslog_ = std::make_unique<SyslogInput>(loops_.first(), parts.spool, config.syslog_stream,
                                          parts.metrics);
  if (!config.syslog_tcp.empty()) {
    if (auto listening = syslog_->listen_tcp(config.syslog_tcp); !listening.ok())
      return context("broker.syslog_tcp", std::move(listening).error());
    described_.push_back(fmt::format("syslog on {} over TCP", config.syslog_tcp));
  }
  if (!config.syslog_udp.empty()) {
    if (auto listening = syslog_->listen_udp(config.syslog_udp); !listening.ok())
      return context("broker.syslog_udp", std::move(listening).error());
    described_.push_back(fmt::format("syslog on {} over UDP", config.syslog_udp));
  }
  return {};
}

void BrokerInputs::set_streams(const std::vector<std::string>& streams) {
  if (kinesis_ != nullptr) kinesis_->set_streams(streams);
  if (http_ != nullptr) http_->set_streams(streams);
}

void BrokerInputs::read_lines(UniqueFunction<void()> ended) {
  if (lines_ == nullptr) return;
  loops_.first().post(
      [this, ended = std::move(ended)]() mutable { lines_->start(std::move(ended)); });
}

void BrokerInputs::drain(nanoseconds deadline, UniqueFunction<void()> drained) {
  const std::size_t inputs = (kinesis_ != nullptr ? 1 : 0) + (http_server_ != nullptr ? 1 : 0) +
                             (otlp_server_ != nullptr ? 1 : 0) + (syslog_ != nullptr ? 1 : 0) +
                             (lines_ != nullptr ? 1 : 0);
  const auto done = at_the_last(inputs + 1, std::move(drained));
  if (kinesis_ != nullptr) kinesis_->drain(deadline, done);
  if (http_server_ != nullptr) http_server_->drain(deadline, done);
  if (otlp_server_ != nullptr) otlp_server_->drain(deadline, done);
  if (syslog_ != nullptr) syslog_->drain(deadline, done);
  if (lines_ != nullptr) lines_->drain(deadline, done);
  done();
}

void BrokerInputs::stop() { loops_.stop_and_join(); }

}  // namespace spillway::server
