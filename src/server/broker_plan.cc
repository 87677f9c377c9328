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
  if (!config.statsd.empty()) add(config.statsd_stream);
  if (!config.stdin_stream.empty()) add(config.stdin_stream);
  return streams;
}

Status check_loopback(const BrokerConfig& config) {
  for (const auto& port : input_ports()) {
    const auto& address = config.*port.address;
    if (address.empty() || is_loopback(address)) continue;
    return Error{
        ErrorCode::kDenied,
        fmt::format("{} is {}: a broker has no access keys yet, and listens on loopback only",
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
  SPILLWAY_TRY(check_loopback(wanted));
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

std::vector<std::string> names_of(const std::vector<TargetConfig>& targets) {
  std::vector<std::string> names;
  names.reserve(targets.size());
  for (const auto& target : targets) names.push_back(target.name);
  return names;
}

// Whether records are sent in the same form to both: of BrokerConfig or of TargetConfig.
bool is_same_form(const auto& a, const auto& b) {
  return a.kind == b.kind && a.origins == b.origins && a.aggregate == b.aggregate;
}

bool are_same_forms(const BrokerConfig& a, const BrokerConfig& b) {
  return is_same_form(a, b) &&
         std::ranges::equal(a.targets, b.targets,
                            [](const TargetConfig& one, const TargetConfig& other) {
                              return is_same_form(one, other);
                            });
}

// What of the targets waits for a restart stays as it runs: all of them where one is to take
// records in another form, since its new place would be sent the old form.
void merge_targets(const BrokerConfig& running, const BrokerConfig& wanted, BrokerConfig& merged) {
  if (names_of(running.targets) == names_of(wanted.targets) && are_same_forms(running, wanted)) {
    merged.targets = wanted.targets;
    for (std::size_t place = 0; place < merged.targets.size(); ++place)
      merged.targets[place].backfill = running.targets[place].backfill;
    return;
  }
  merged.targets = running.targets;
  merged.endpoint = running.endpoint;
  merged.ca = running.ca;
  merged.access_key = running.access_key;
  merged.secret_key = running.secret_key;
  merged.credentials = running.credentials;
  merged.shards = running.shards;
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
  merge_targets(running.broker, wanted.broker, merged.broker);
  SPILLWAY_TRY(check_config(merged));
  SPILLWAY_ASSIGN(auto change, plan(&running.broker, std::move(merged)));
  const auto before = targets_of(running.broker);
  const auto after = targets_of(change.config.broker);
  for (std::size_t place = 0; place < before.size(); ++place)
    if (before[place] != after[place]) change.changed_targets.push_back(place);
  return change;
}

}  // namespace spillway::server
