#include "server/delivery_path.h"

#include <utility>

#include "broker/route.h"
#include "server/broker_options.h"

namespace spillway::server {
namespace {

using Targets = std::vector<std::unique_ptr<broker::KinesisTarget>>;

Random seeded(io::Entropy& entropy) { return Random(io::random_number(entropy)); }

Targets make_targets(io::EventLoop& loop, io::Entropy& entropy,
                     DeliveryPath::TargetOptions options) {
  Targets targets;
  targets.reserve(options.size());
  for (auto& each : options) {
    targets.push_back(
        std::make_unique<broker::KinesisTarget>(loop, std::move(each), seeded(entropy)));
  }
  return targets;
}

std::vector<broker::Target*> places_of(const Targets& targets) {
  std::vector<broker::Target*> places;
  places.reserve(targets.size());
  for (const auto& target : targets) places.push_back(target.get());
  return places;
}

broker::Switching::Kept kept_of(const broker::SwitchState& state, const Targets& targets) {
  std::vector<std::string> names;
  names.reserve(targets.size());
  for (const auto& target : targets) names.push_back(target->name());
  return broker::kept_of(state.of(std::string(broker::kAllStreams), names), names);
}

// The places of the targets that get what they missed.
std::vector<std::size_t> backfilled(const BrokerConfig& config) {
  const auto configured = targets_of(config);
  std::vector<std::size_t> places;
  places.reserve(configured.size());
  for (std::size_t place = 0; place < configured.size(); ++place)
    if (configured[place].backfill.value_or(false)) places.push_back(place);
  return places;
}

}  // namespace

struct DeliveryPath::Stages {
  Stages(const Parts& parts, const std::string& broker, const BrokerConfig& config,
         TargetOptions options, const std::vector<std::string>& streams)
      : targets(make_targets(parts.loop, parts.entropy, std::move(options))),
        route({parts.loop, parts.log, parts.metrics}, places_of(targets), route_settings(config),
              kept_of(parts.switch_state, targets)),
        switches({parts.loop, route, parts.switch_state, parts.switch_log, parts.log, parts.metrics,
                  streams, parts.approval},
                 broker),
        // What earlier starts spooled is delivered too.
        delivery({parts.loop, parts.spool, parts.cursors, route, parts.log, parts.metrics},
                 parts.spool.streams(), seeded(parts.entropy), backfilled(config)) {
    switches.on_switch([this, &parts](const broker::SwitchEvent& event) {
      return parts.receipts.begin(event, delivery.under_way());
    });
  }

  void look() {
    switches.set_held(delivery.held_streams());
    switches.look();
  }

  const Targets targets;
  broker::Route route;
  broker::Switches switches;
  broker::Delivery delivery;
};

DeliveryPath::DeliveryPath(Parts parts, std::string broker, const BrokerConfig& config,
                           TargetOptions targets, std::vector<std::string> streams)
    : parts_(parts),
      stages_(std::make_unique<Stages>(parts_, broker, config, std::move(targets), streams)) {
  stages_->look();
}

DeliveryPath::~DeliveryPath() = default;

void DeliveryPath::start(UniqueFunction<void()> flows) {
  stages_->delivery.start(std::move(flows));
}

void DeliveryPath::wake(std::span<const stream::ShardId> shards) { stages_->delivery.wake(shards); }

void DeliveryPath::look() { stages_->look(); }

void DeliveryPath::reach(std::size_t place, broker::KinesisTargetOptions options) {
  auto& target = *stages_->targets[place];
  target.change(std::move(options.client), options.shards);
  stages_->route.moved(place);
  parts_.log.info("target is reached another way",
                  {{"target", target.name()}, {"address", target.address()}});
}

void DeliveryPath::set_streams(std::vector<std::string> streams) {
  stages_->switches.set_streams(std::move(streams));
}

void DeliveryPath::set_switching(const broker::SwitchingSettings& settings) {
  stages_->route.set_switching(settings);
}

broker::Delivery& DeliveryPath::delivery() { return stages_->delivery; }

broker::Switches& DeliveryPath::switches() { return stages_->switches; }

}  // namespace spillway::server
