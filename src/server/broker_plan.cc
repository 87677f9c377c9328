#include "server/broker_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/telemetry_collector.h"
#include "server/access_keys.h"
#include "server/reload.h"

namespace spillway::server {
namespace {

std::vector<std::string> streams_of(const BrokerConfig& config) {
  std::vector<std::string> streams = config.streams;
  const auto add = [&streams](const std::string& name) {
    if (std::ranges::find(streams, name) == streams.end()) streams.push_back(name);
  };
  add(config.stream);
  if (!config.otlp.empty()) {
    add(config.otlp_logs_stream);
    add(config.otlp_metrics_stream);
    add(config.otlp_traces_stream);
  }
  if (!config.syslog_tcp.empty() || !config.syslog_udp.empty()) add(config.syslog_stream);
  if (!config.statsd.empty() || !config.statsd_tcp.empty()) add(config.statsd_stream);
  if (!config.stdin_stream.empty()) add(config.stdin_stream);
  return streams;
}

// Whether other machines may reach it.
bool is_open(const std::string& address) { return !address.empty() && !is_loopback(address); }

// The Kinesis API alone knows who calls. Whether it has the keys to be open is asked once, at the
// start (BrokerAccess): so it may not open later, and what is open keeps a key.
Status check_loopback(const BrokerConfig* running, const BrokerConfig& wanted) {
  for (const auto& port : input_ports()) {
    const auto& address = wanted.*port.address;
    if (port.kind != InputKind::kKinesis) {
      if (!is_open(address)) continue;
      return Error{ErrorCode::kDenied,
                   fmt::format("{} is {}: senders are not authenticated there, and it listens on "
                               "loopback only",
                               port.key, address)};
    }
    if (running == nullptr || address.empty()) continue;
    const auto& before = running->*port.address;
    if (is_open(before) == is_open(address)) continue;
    return Error{ErrorCode::kDenied,
                 fmt::format("{} can't become {} while the broker runs: from loopback to beyond, "
                             "or back, takes a restart",
                             port.key, address)};
  }
  return {};
}

// The other port of the configuration that is the same one; nullptr: there is none.
const InputPort* taken_by(const InputPort& port, const std::string& address,
                          const BrokerConfig& config) {
  if (address.empty() || address.ends_with(":0")) return nullptr;  // 0: any that is free
  const auto same = std::ranges::find_if(input_ports(), [&](const InputPort& other) {
    return other.kind != port.kind && other.datagrams == port.datagrams &&
           config.*other.address == address;
  });
  return same == input_ports().end() ? nullptr : &*same;
}

Status check_ports(const BrokerConfig& wanted) {
  for (const auto& port : input_ports()) {
    const auto& address = wanted.*port.address;
    if (!address.empty() && !port.datagrams && address == wanted.admin &&
        !address.ends_with(":0")) {
      return Error{ErrorCode::kInvalid,
                   fmt::format("{} and broker.admin are both {}", port.key, address)};
    }
    if (const auto* const other = taken_by(port, address, wanted)) {
      return Error{ErrorCode::kInvalid,
                   fmt::format("{} and {} are both {}", port.key, other->key, address)};
    }
  }
  return {};
}

// What the plan opens and closes of the inputs that `running` has; nullptr: it has none.
Status plan_inputs(const BrokerConfig* running, BrokerPlan& plan) {
  const auto& wanted = plan.config.broker;
  SPILLWAY_TRY(check_loopback(running, wanted));
  SPILLWAY_TRY(check_ports(wanted));
  for (const auto& port : input_ports()) {
    const auto& after = wanted.*port.address;
    const std::string before = running != nullptr ? running->*port.address : "";
    if (after == before) continue;
    if (!before.empty()) plan.closed.push_back(port.kind);
    if (after.empty()) continue;
    plan.opened.push_back(port.kind);
    const auto* const other = running != nullptr ? taken_by(port, after, *running) : nullptr;
    if (other != nullptr) {
      return Error{ErrorCode::kInvalid,
                   fmt::format("{} can't be {} while {} still is: change that one first, and then "
                               "this one",
                               port.key, after, other->key)};
    }
  }
  return {};
}

// Whether it is the same target, sent the same records in the same form.
bool is_same(const TargetConfig& one, const TargetConfig& other) {
  return one.name == other.name && one.kind == other.kind && one.origins == other.origins &&
         one.aggregate == other.aggregate &&
         one.backfill.value_or(false) == other.backfill.value_or(false);
}

void plan_targets(const BrokerConfig& running, BrokerPlan& plan) {
  const auto before = targets_of(running);
  const auto after = targets_of(plan.config.broker);
  plan.new_targets =
      running.copies != plan.config.broker.copies || !std::ranges::equal(before, after, is_same);
  if (plan.new_targets) return;
  for (std::size_t place = 0; place < before.size(); ++place)
    if (before[place] != after[place]) plan.changed_targets.push_back(place);
}

Result<BrokerPlan> plan(const BrokerConfig* running, Config wanted) {
  BrokerPlan plan;
  plan.config = std::move(wanted);
  plan.streams = streams_of(plan.config.broker);
  if (auto files = broker::check_files(plan.config.broker.files); !files.ok())
    return context("broker.files", std::move(files).error());
  if (auto joined = broker::check_files_multiline(plan.config.broker.files,
                                                  plan.config.broker.files_multiline);
      !joined.ok())
    return context("broker.files_multiline", std::move(joined).error());
  SPILLWAY_TRY(plan_inputs(running, plan));
  return plan;
}

}  // namespace

Result<BrokerPlan> plan_start(const Config& wanted) { return plan(nullptr, wanted); }

Result<BrokerPlan> plan_change(const Config& running, const Config& wanted) {
  auto merged = with_reloaded(running, wanted);
  merged.broker.targets = wanted.broker.targets;
  merged.broker.keys = wanted.broker.keys;
  SPILLWAY_TRY(check_config(merged));
  SPILLWAY_ASSIGN(auto change, plan(&running.broker, std::move(merged)));
  plan_targets(running.broker, change);
  return change;
}

}  // namespace spillway::server
