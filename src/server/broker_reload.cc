#include "server/broker_reload.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "server/broker_options.h"
#include "server/input_ports.h"
#include "server/reload.h"

namespace spillway::server {
namespace {

std::vector<std::string> names_of(const DeliveryPath::TargetOptions& targets) {
  std::vector<std::string> names;
  names.reserve(targets.size());
  for (const auto& target : targets) names.push_back(target.name);
  return names;
}

}  // namespace

BrokerReload::BrokerReload(BrokerPlan started, std::string host, Parts parts)
    : running_(std::move(started.config)),
      withheld_(std::move(started.withheld)),
      host_(std::move(host)),
      parts_(parts) {}

void BrokerReload::open_withheld() {
  if (ended_ || withheld_.empty()) return;
  again_ = true;
  if (!std::exchange(under_way_, true)) start(make(), [] {});
}

void BrokerReload::take(Config wanted) {
  if (ended_) return;
  wanted_ = std::move(wanted);
  if (!std::exchange(under_way_, true)) start(make(), [] {});
}

void BrokerReload::close(UniqueFunction<void()> closed) {
  ended_ = true;
  wanted_.reset();
  again_ = false;
  if (!under_way_) return closed();
  closed_ = std::move(closed);
}

Task<void> BrokerReload::make() {
  while (wanted_ || again_) {
    Config next = wanted_ ? *std::exchange(wanted_, std::nullopt) : running_;
    again_ = false;
    auto changed = co_await change(std::move(next));
    if (!changed.ok())
      parts_.log.error("configuration not reloaded", {{"reason", changed.error().message}});
  }
  under_way_ = false;
  if (closed_) std::exchange(closed_, nullptr)();
}

Task<Status> BrokerReload::change(Config wanted) {
  auto keys = parts_.access.prepare(wanted.broker.keys);
  if (!keys.ok()) co_return std::move(keys).error();
  auto plan = plan_change(running_, withheld_, wanted,
                          {.keys = !keys->table->accepts_any(), .https = parts_.https});
  if (!plan.ok()) co_return std::move(plan).error();
  auto targets = read_targets(*plan);
  if (!targets.ok()) co_return std::move(targets).error();
  const auto names = names_of(*targets);
  if (plan->new_targets) {
    auto locked = parts_.path.lock(names);
    if (!locked.ok()) co_return locked;
  }
  auto opening = open(*plan);
  auto opened = co_await std::move(opening);
  if (!opened.ok()) {
    parts_.path.unlock();
    co_return opened;
  }
  tell_waiting(plan->config, wanted, "broker", parts_.log);
  if (plan->new_targets) {
    auto replacing = parts_.path.replace(plan->config.broker,
                                         *std::exchange(targets, TargetOptions()), plan->streams);
    co_await std::move(replacing);
    parts_.log.info("targets were changed",
                    {{"targets", fmt::to_string(fmt::join(names, ", "))},
                     {"used", parts_.path.route().current().target().name()}});
  }
  use(*plan, *std::move(targets), *std::move(keys));
  running_ = std::move(plan->config);
  withheld_ = std::move(plan->withheld);
  parts_.log.info("configuration reloaded",
                  {{"streams", fmt::to_string(fmt::join(plan->streams, ", "))}});
  co_return Status();
}

// What a new port takes before all are open is delivered.
Task<Status> BrokerReload::open(BrokerPlan plan) {
  auto made = co_await parts_.spool.open(parts_.loop, plan.streams);
  if (!made.ok()) co_return made;
  parts_.path.delivery().add(plan.streams);
  auto opened = co_await parts_.inputs.open(std::move(plan), &parts_.loop);
  co_return opened;
}

// Of those that change.
Result<BrokerReload::TargetOptions> BrokerReload::read_targets(const BrokerPlan& plan) const {
  const auto& config = plan.config.broker;
  if (plan.new_targets) return all_target_options({parts_.loop, parts_.disk, parts_.log}, config);
  const auto configured = targets_of(config);
  TargetOptions options;
  options.reserve(plan.changed_targets.size());
  for (const auto place : plan.changed_targets) {
    SPILLWAY_ASSIGN(auto read, target_options({parts_.loop, parts_.disk, parts_.log}, config,
                                              configured[place]));
    options.push_back(std::move(read));
  }
  return options;
}

void BrokerReload::use(const BrokerPlan& plan, TargetOptions targets, AccessKeys::Prepared keys) {
  const auto& config = plan.config.broker;
  for (std::size_t i = 0; i < targets.size(); ++i)
    parts_.path.reach(plan.changed_targets[i], std::move(targets[i]));
  parts_.inputs.use(plan, seconds(config.drain_seconds));
  for (const auto& [kind, why] : withheld_) {
    if (std::ranges::find(plan.opened, kind) != plan.opened.end())
      parts_.log.info("an input is open that was closed", {{"input", port_of(kind).key}});
  }
  parts_.access.set_exposed(exposed_address(plan));
  parts_.inputs.set_keys(parts_.access.use(std::move(keys)), nullptr);
  parts_.path.set_streams(plan.streams);
  parts_.telemetry.change(telemetry_options(config, host_));
  parts_.room.change(seconds(config.keep_seconds), when_full(config));
  parts_.runway.set_alarm(seconds(config.runway_alarm_seconds));
  parts_.path.set_switching(route_settings(config).switching);
  parts_.path.set_catch_up(catch_up(config));
  parts_.path.set_linger(linger(config));
  parts_.log.set_lowest(log_level(plan.config.log));
}

}  // namespace spillway::server
