#include "server/broker_inputs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "auth/audit_log.h"
#include "base/assert.h"
#include "io/on_loop.h"
#include "server/broker_input.h"
#include "server/http_input.h"
#include "server/input_access.h"
#include "server/otlp_input.h"
#include "server/statsd_input.h"
#include "server/syslog_input.h"

namespace spillway::server {
namespace {

// For ports that are closed since another one could not be opened.
constexpr nanoseconds kCloseTime = seconds(1);
// At least, for StatsD's last interval: nobody sends it again.
constexpr nanoseconds kEndIntervalTime = seconds(1);

InputStreams input_streams(const BrokerPlan& plan) {
  const auto& config = plan.config.broker;
  return {plan.streams,
          {config.otlp_logs_stream, config.otlp_metrics_stream, config.otlp_traces_stream},
          config.syslog_stream,
          config.statsd_stream};
}

bool is_https_only(InputKind kind, const BrokerConfig& config) {
  const auto& port = port_of(kind);
  return port.authentication == Authentication::kBasic && is_exposed(config.*port.address);
}

std::string described(InputKind kind, const BrokerPlan& plan) {
  const auto& config = plan.config.broker;
  const std::string_view scheme = is_https_only(kind, config) ? "https" : "http";
  switch (kind) {
    case InputKind::kKinesis:
      return fmt::format("records for {} on http://{}", fmt::join(plan.streams, ", "),
                         config.listen);
    case InputKind::kHttp:
      return fmt::format("JSON on {}://{}/v1/records/STREAM", scheme, config.http);
    case InputKind::kOtlp:
      return fmt::format("OTLP on {}://{}", scheme, config.otlp);
    case InputKind::kSyslogTcp:
      return fmt::format("syslog on {} over TCP", config.syslog_tcp);
    case InputKind::kSyslogUdp:
      return fmt::format("syslog on {} over UDP", config.syslog_udp);
    case InputKind::kStatsdUdp:
      return fmt::format("StatsD on {} over UDP", config.statsd);
    case InputKind::kStatsdTcp:
      return fmt::format("StatsD on {} over TCP", config.statsd_tcp);
  }
  assertion_failed("an input of no kind", __FILE__, __LINE__);
}

// As its counts have it.
std::string name_of(InputKind kind) {
  switch (kind) {
    case InputKind::kKinesis:
      return "kinesis";
    case InputKind::kHttp:
      return "http";
    case InputKind::kOtlp:
      return "otlp";
    case InputKind::kSyslogTcp:
      return "syslog_tcp";
    case InputKind::kSyslogUdp:
      return "syslog_udp";
    case InputKind::kStatsdUdp:
    case InputKind::kStatsdTcp:
      return "statsd";
  }
  assertion_failed("an input of no kind", __FILE__, __LINE__);
}

auth::AuditOptions audit_options(const BrokerConfig& config) {
  auth::AuditOptions options;
  options.directory = io::join_path(config.data, "audit");
  return options;
}

}  // namespace

struct BrokerInputs::Callers {
  Callers(const BrokerConfig& config, const KeyTableRef& keys, const Parts& parts)
      : audit_log(audit_options(config), parts.disk, parts.clock, parts.workers, parts.metrics,
                  parts.log),
        audit(audit_log, parts.metrics, parts.log),
        access(service_options(config), keys, audit, parts.entropy) {}

  auth::AuditLog audit_log;
  CallAudit audit;
  InputAccess access;
};

BrokerInputs::BrokerInputs(const BrokerConfig& config, std::string host, KeyTableRef keys,
                           const Parts& parts)
    : host_(std::move(host)),
      keys_(std::move(keys)),
      parts_(parts),
      loops_(config.threads > 0 ? static_cast<std::size_t>(config.threads) : io::core_count()) {}

BrokerInputs::~BrokerInputs() { stop(); }

Result<std::unique_ptr<BrokerInputs>> BrokerInputs::make(const BrokerConfig& config,
                                                         const std::string& host, KeyTableRef keys,
                                                         const Parts& parts) {
  std::unique_ptr<BrokerInputs> inputs(new BrokerInputs(config, host, std::move(keys), parts));
  if (!config.stdin_stream.empty()) {
    SPILLWAY_ASSIGN(auto input, io::open_standard_input(inputs->loops_.first()));
    inputs->lines_ = std::make_unique<broker::LineInput>(
        std::move(input), config.stdin_stream, "stdin/" + host,
        broker::LineInput::Parts{inputs->loops_.first(), parts.spool, parts.log, parts.metrics});
    inputs->lines_stream_ = config.stdin_stream;
    inputs->lines_drained_ = false;
  }
  inputs->loops_.start();
  return inputs;
}

Task<Status> BrokerInputs::open(BrokerPlan plan, io::EventLoop* caller) {
  for (const auto kind : plan.opened) {
    auto* const input = opened_.emplace(kind, make_input(kind, plan)).first->second.get();
    auto status = co_await input->open(caller);
    if (status.ok()) continue;
    for (const auto& [unused_kind, unused] : opened_) {
      auto closing = io::on_loop<bool>(caller, [port = unused.get()](auto done) {
        port->drain(kCloseTime, [done = std::move(done)]() mutable { done(true); });
      });
      co_await closing;
    }
    opened_.clear();
    co_return context(std::string(port_of(kind).key), std::move(status).error());
  }
  co_return Status();
}

void BrokerInputs::use(const BrokerPlan& plan, nanoseconds at_most) {
  for (const auto kind : plan.closed) {
    auto& closed = *inputs_.at(kind);
    closed.retire(at_most, let_go(std::move(inputs_.extract(kind).mapped())));
  }
  inputs_.merge(opened_);
  const auto streams = input_streams(plan);
  for (const auto& [kind, input] : inputs_) input->set_streams(streams);
  // The spool has no such stream where nothing takes StatsD any more.
  if (!inputs_.contains(InputKind::kStatsdUdp) && !inputs_.contains(InputKind::kStatsdTcp)) return;
  loops_.first().post([this, stream = streams.statsd] { statsd_->set_stream(stream); });
}

std::vector<std::string> BrokerInputs::described(const BrokerPlan& plan) const {
  std::vector<std::string> texts;
  texts.reserve(plan.opened.size() + 1);
  for (const auto kind : plan.opened) texts.push_back(server::described(kind, plan));
  if (lines_ != nullptr)
    texts.push_back(fmt::format("lines of standard input for {}", lines_stream_));
  return texts;
}

bool BrokerInputs::over_http() const {
  const auto takes = [this](InputKind kind) { return inputs_.contains(kind); };
  return takes(InputKind::kKinesis) || takes(InputKind::kHttp) || takes(InputKind::kOtlp);
}

std::vector<broker::InputNow> BrokerInputs::now(const BrokerConfig& config,
                                                std::span<const WithheldInput> withheld) const {
  std::vector<broker::InputNow> inputs;
  inputs.reserve(inputs_.size() + withheld.size() + 1);
  for (const auto& [kind, why] : withheld)
    inputs.push_back({name_of(kind), config.*port_of(kind).address, std::nullopt, why});
  for (const auto& [kind, input] : inputs_) {
    broker::InputNow now{name_of(kind), config.*port_of(kind).address, input->connections()};
    if (inputs.empty() || inputs.back().name != now.name) {
      inputs.push_back(std::move(now));
      continue;
    }
    // Two ports of one input: only that over TCP has connections.
    inputs.back().at += " and " + now.at;
    if (now.connections) inputs.back().connections = now.connections;
  }
  if (!lines_drained_) inputs.push_back({"stdin", "standard input", std::nullopt});
  return inputs;
}

std::unique_ptr<PortInput> BrokerInputs::make_input(InputKind kind, const BrokerPlan& plan) {
  const auto& config = plan.config.broker;
  const auto& address = config.*port_of(kind).address;
  const auto over_http = [&](std::string name) -> std::unique_ptr<PortInput> {
    HttpServerOptions options;
    options.name = std::move(name);
    options.address = address;
    options.connections = static_cast<std::size_t>(config.connections_max);
    options.tls = parts_.tls;
    options.exposed = is_exposed(address);
    options.https_only = is_https_only(kind, config);
    return std::make_unique<HttpPort>(loops_.loops(), std::move(options), handler_of(kind, plan),
                                      parts_.metrics, parts_.log);
  };
  const auto over_tcp = [&](const std::string& name,
                            TcpInput::MakeReader make_reader) -> std::unique_ptr<PortInput> {
    return std::make_unique<TcpInput>(loops_.first(), address, name, std::move(make_reader),
                                      input_streams(plan), parts_.metrics);
  };
  switch (kind) {
    case InputKind::kKinesis:
      return over_http("api");
    case InputKind::kHttp:
      return over_http("http");
    case InputKind::kOtlp:
      return over_http("otlp");
    case InputKind::kSyslogTcp:
      return over_tcp("syslog_tcp", syslog_readers(loops_.first(), parts_.spool, parts_.metrics));
    case InputKind::kSyslogUdp:
      return std::make_unique<SyslogUdpInput>(loops_.first(), parts_.spool, address,
                                              input_streams(plan), parts_.metrics);
    case InputKind::kStatsdUdp:
      return std::make_unique<StatsdUdpInput>(loops_.first(), address, statsd_of(config));
    case InputKind::kStatsdTcp:
      return over_tcp("statsd_tcp", statsd_readers(statsd_of(config)));
  }
  assertion_failed("an input of no kind", __FILE__, __LINE__);
}

broker::StatsdIntake& BrokerInputs::statsd_of(const BrokerConfig& config) {
  if (statsd_ != nullptr) return *statsd_;
  statsd_ = std::make_unique<broker::StatsdIntake>(
      broker::StatsdIntake::Options{config.statsd_stream, host_,
                                    seconds(config.statsd_flush_seconds),
                                    io::random_number(parts_.entropy)},
      broker::StatsdIntake::Parts{loops_.first(), parts_.spool, parts_.metrics});
  statsd_drained_ = false;
  loops_.first().post([this] { statsd_->start(); });
  return *statsd_;
}

InputHandler& BrokerInputs::handler_of(InputKind kind, const BrokerPlan& plan) {
  auto& handler = handlers_[kind];
  if (handler == nullptr) handler = make_handler(kind, plan);
  return *handler;
}

std::unique_ptr<InputHandler> BrokerInputs::make_handler(InputKind kind, const BrokerPlan& plan) {
  const auto streams = input_streams(plan);
  auto& callers = callers_of(plan.config.broker);
  if (kind == InputKind::kHttp) {
    return std::make_unique<HttpInput>(parts_.spool, streams, parts_.entropy, parts_.metrics,
                                       callers.access);
  }
  if (kind == InputKind::kOtlp)
    return std::make_unique<OtlpInput>(parts_.spool, streams, parts_.metrics, callers.access);
  auto kinesis = std::make_unique<BrokerInput>(
      plan.config.broker, streams, keys_,
      BrokerInput::Parts{loops_.loops(), parts_.disk, parts_.clock, parts_.entropy, parts_.log,
                         parts_.metrics, parts_.spool, callers.audit_log});
  kinesis_ = kinesis.get();
  return kinesis;
}

BrokerInputs::Callers& BrokerInputs::callers_of(const BrokerConfig& config) {
  if (callers_ == nullptr) callers_ = std::make_unique<Callers>(config, keys_, parts_);
  return *callers_;
}

void BrokerInputs::set_keys(KeyTableRef keys, UniqueFunction<void()> done) {
  keys_ = std::move(keys);
  if (callers_ != nullptr) callers_->access.set_keys(keys_);
  if (kinesis_ != nullptr) return kinesis_->set_keys(keys_, std::move(done));
  if (done) done();
}

UniqueFunction<void()> BrokerInputs::let_go(std::unique_ptr<PortInput> input) {
  auto* const going = input.get();
  going_.emplace(going, std::move(input));
  return [this, going] {
    parts_.loop.post([this, going] {
      going_.erase(going);
      finish_drain_if_done();
    });
  };
}

void BrokerInputs::read_lines(UniqueFunction<void()> ended) {
  if (lines_ == nullptr) return;
  loops_.first().post(
      [this, ended = std::move(ended)]() mutable { lines_->start(std::move(ended)); });
}

void BrokerInputs::drain(nanoseconds deadline, UniqueFunction<void()> drained) {
  drained_ = std::move(drained);
  drained_by_ = parts_.loop.mono_now() + deadline;
  for (auto& [kind, input] : std::exchange(inputs_, {})) {
    auto& going = *input;
    going.drain(deadline, let_go(std::move(input)));
  }
  if (!lines_drained_) {
    lines_->drain(deadline, [this] {
      parts_.loop.post([this] {
        lines_drained_ = true;
        finish_drain_if_done();
      });
    });
  }
  finish_drain_if_done();
}

void BrokerInputs::finish_drain_if_done() {
  if (!drained_ || !going_.empty()) return;
  if (!std::exchange(statsd_ends_, true)) end_statsd();
  if (!lines_drained_ || !statsd_drained_) return;
  std::exchange(drained_, nullptr)();
}

// Once its ports have gone: nothing comes any more.
void BrokerInputs::end_statsd() {
  if (statsd_ == nullptr) return;
  const auto left = drained_by_ - parts_.loop.mono_now();
  statsd_->drain(std::max<nanoseconds>(left, kEndIntervalTime), [this] {
    parts_.loop.post([this] {
      statsd_drained_ = true;
      finish_drain_if_done();
    });
  });
}

void BrokerInputs::stop() { loops_.stop_and_join(); }

}  // namespace spillway::server
