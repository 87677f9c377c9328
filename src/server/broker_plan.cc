#include "server/broker_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "broker/telemetry_collector.h"
#include "server/broker_access.h"
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

Status check_loopback(const BrokerConfig& wanted) {
  for (const auto& port : input_ports()) {
    const auto& address = wanted.*port.address;
    if (port.authentication != Authentication::kNone || !is_exposed(address)) continue;
    return Error{ErrorCode::kDenied,
                 fmt::format("{} is {}: senders are not authenticated there, and it listens on "
                             "loopback only",
                             port.key, address)};
  }
  return {};
}

// Nullopt: it may be opened there.
std::optional<std::string> why_withheld(const InputPort& port, const BrokerConfig& wanted,
                                        const PortAccess& access) {
  const auto& address = wanted.*port.address;
  if (port.authentication == Authentication::kNone || address.empty()) return std::nullopt;
  if (!access.fault.empty())
    return fmt::format("nobody knows who may send to {}: {}", port.key, access.fault);
  if (!is_exposed(address)) return std::nullopt;
  if (!access.keys)
    return fmt::format("{}: {}", port.key, without_keys(broker_keys(wanted.data, address)));
  if (port.authentication == Authentication::kSigned || access.https) return std::nullopt;
  return fmt::format(
      "{} is {}, where access keys come in the clear without https, and there is none: set "
      "broker.tls_certificate and broker.tls_key, or listen on 127.0.0.1",
      port.key, address);
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

struct Running {
  const BrokerConfig& config;
  std::span<const WithheldInput> withheld;

  bool is_open(const InputPort& port) const {
    return !(config.*port.address).empty() &&
           std::ranges::find(withheld, port.kind, &WithheldInput::kind) == withheld.end();
  }
};

// What the plan opens and closes of the inputs that `running` has; nullptr: it has none.
Status plan_inputs(const Running* running, const PortAccess& access, BrokerPlan& plan) {
  const auto& wanted = plan.config.broker;
  SPILLWAY_TRY(check_loopback(wanted));
  SPILLWAY_TRY(check_ports(wanted));
  for (const auto& port : input_ports()) {
    const auto& after = wanted.*port.address;
    const bool was_open = running != nullptr && running->is_open(port);
    const bool stays = running != nullptr && after == running->config.*port.address;
    if (auto why = why_withheld(port, wanted, access)) {
      const bool was_withheld = stays && !was_open;
      if (running != nullptr && !was_withheld) return Error{ErrorCode::kDenied, *std::move(why)};
      plan.withheld.push_back({port.kind, *std::move(why)});
      continue;
    }
    if (stays && was_open) continue;
    if (was_open) plan.closed.push_back(port.kind);
    if (after.empty()) continue;
    plan.opened.push_back(port.kind);
    const auto* const other = running != nullptr ? taken_by(port, after, running->config) : nullptr;
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

Result<BrokerPlan> plan(const Running* running, Config wanted, const PortAccess& access) {
  BrokerPlan plan;
  plan.config = std::move(wanted);
  plan.streams = streams_of(plan.config.broker);
  if (auto files = broker::check_files(plan.config.broker.files); !files.ok())
    return context("broker.files", std::move(files).error());
  if (auto joined = broker::check_files_multiline(plan.config.broker.files,
                                                  plan.config.broker.files_multiline);
      !joined.ok())
    return context("broker.files_multiline", std::move(joined).error());
  SPILLWAY_TRY(plan_inputs(running, access, plan));
  return plan;
}

}  // namespace

Result<BrokerPlan> plan_start(const Config& wanted, const PortAccess& access) {
  return plan(nullptr, wanted, access);
}

Result<BrokerPlan> plan_change(const Config& running, std::span<const WithheldInput> withheld,
                               const Config& wanted, const PortAccess& access) {
  auto merged = with_reloaded(running, wanted);
  merged.broker.targets = wanted.broker.targets;
  merged.broker.keys = wanted.broker.keys;
  SPILLWAY_TRY(check_config(merged));
  const Running before{running.broker, withheld};
  SPILLWAY_ASSIGN(auto change, plan(&before, std::move(merged), access));
  plan_targets(running.broker, change);
  return change;
}

std::string exposed_address(const BrokerPlan& plan) {
  for (const auto& port : input_ports()) {
    const auto& address = plan.config.broker.*port.address;
    const bool withheld =
        std::ranges::find(plan.withheld, port.kind, &WithheldInput::kind) != plan.withheld.end();
    if (port.authentication != Authentication::kNone && is_exposed(address) && !withheld)
      return address;
  }
  return "";
}

}  // namespace spillway::server
