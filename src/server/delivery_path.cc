#include "server/delivery_path.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/marked_target.h"
#include "broker/route.h"
#include "broker/set_backs.h"
#include "server/broker_options.h"

namespace spillway::server {
namespace {

using Targets = std::vector<std::unique_ptr<broker::KinesisTarget>>;
using MarkedTargets = std::vector<std::unique_ptr<broker::MarkedTarget>>;

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

MarkedTargets marked(io::EventLoop& loop, const Targets& targets,
                     const std::string& canary_stream) {
  MarkedTargets marked;
  marked.reserve(targets.size());
  for (const auto& target : targets)
    marked.push_back(std::make_unique<broker::MarkedTarget>(loop, *target, canary_stream));
  return marked;
}

std::vector<broker::Target*> places_of(const MarkedTargets& targets) {
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
        marked_targets(marked(parts.loop, targets, config.canary_stream)),
        route({parts.loop, parts.log, parts.metrics}, places_of(marked_targets),
              route_settings(config), kept_of(parts.switch_state, targets)),
        switches({parts.loop, route, parts.switch_state, parts.switch_log, parts.log, parts.metrics,
                  streams, parts.approval},
                 broker),
        set_backs({parts.loop, parts.log, parts.metrics, parts.spool, parts.cursors, parts.horizon,
                   route, switches, parts.high_water, config.canary_stream},
                  marked_targets),
        // What earlier starts spooled is delivered too.
        delivery({parts.loop, parts.spool, parts.cursors, route, parts.log, parts.metrics},
                 parts.spool.streams(), seeded(parts.entropy), backfilled(config), catch_up(config),
                 {}, static_cast<std::size_t>(config.copies)) {
    switches.on_switch([this, &parts](const broker::SwitchEvent& event) {
      return parts.receipts.begin(event, delivery.under_way());
    });
    switches.set_streams(streams);
    delivery.set_linger(linger(config));
    look();
  }

  void look() {
    switches.set_held(delivery.held_streams());
    switches.look();
    set_backs.look();
  }

  const Targets targets;
  const MarkedTargets marked_targets;
  broker::Route route;
  broker::Switches switches;
  broker::SetBacks set_backs;
  broker::Delivery delivery;
};

DeliveryPath::DeliveryPath(Parts parts, std::string broker, const BrokerConfig& config,
                           TargetOptions targets, std::vector<std::string> streams)
    : parts_(parts),
      broker_(std::move(broker)),
      stages_(std::make_unique<Stages>(parts_, broker_, config, std::move(targets), streams)) {}

DeliveryPath::~DeliveryPath() = default;

void DeliveryPath::start(UniqueFunction<void()> flows) {
  flows_ = std::move(flows);
  begin();
}

void DeliveryPath::begin() {
  set_woken(&stages_->delivery);
  stages_->delivery.start([this] {
    if (flows_) std::exchange(flows_, nullptr)();
  });
}

void DeliveryPath::set_woken(broker::Delivery* delivery) {
  const std::lock_guard lock(mutex_);
  woken_ = delivery;
}

void DeliveryPath::wake(std::span<const stream::ShardId> shards) {
  const std::lock_guard lock(mutex_);
  if (woken_ != nullptr) woken_->wake(shards);
}

Status DeliveryPath::lock(std::span<const std::string> names) {
  const auto& kept = route().kept();
  if (kept.held) {
    const auto& held = route().link(*kept.used).target().name();
    if (std::ranges::find(names, held) == names.end()) {
      return Error{ErrorCode::kBusy,
                   fmt::format("target {} can't go while it is held ({}): spillway switch "
                               "--release, or hold another one, first",
                               held, *kept.held)};
    }
  }
  locked_ = true;
  return {};
}

Task<void> DeliveryPath::replace(BrokerConfig config, TargetOptions targets,
                                 std::vector<std::string> streams) {
  set_woken(nullptr);
  auto left = callback<bool>([this](UniqueFunction<void(bool)> done) {
    stages_->delivery.leave(kLeaveWithin, [done = std::move(done)]() mutable { done(true); });
  });
  co_await left;
  // What they have posted refers to them: it comes before this.
  auto behind = callback<bool>([this](UniqueFunction<void(bool)> done) {
    parts_.loop.post([done = std::move(done)]() mutable { done(true); });
  });
  co_await behind;
  stages_->switches.store_used();
  // What was found a moment ago is recorded, now that the cursors are durable.
  stages_->set_backs.look();
  end();
  const std::string used = route().current().target().name();
  const auto dropped = stages_->delivery.given_up_before();
  stages_.reset();
  stages_ = std::make_unique<Stages>(parts_, broker_, config, std::move(targets), streams);
  const bool stays = std::ranges::any_of(
      stages_->targets, [&used](const auto& target) { return target->name() == used; });
  if (!stays) stages_->switches.left(used);
  begin();
  stages_->delivery.give_up_before(dropped);
  locked_ = false;
}

Result<broker::Switches::Done> DeliveryPath::make_switch(const broker::Switches::Wish& wish) {
  if (locked_) {
    return Error{ErrorCode::kBusy,
                 "this broker's targets are being changed: ask again in a second"};
  }
  return stages_->switches.make(wish);
}

void DeliveryPath::look() { stages_->look(); }

void DeliveryPath::end() {
  if (auto stored = stages_->set_backs.store(); !stored.ok()) {
    parts_.log.warning("what targets acknowledged can't be stored",
                       {{"error", stored.error().message}});
  }
}

void DeliveryPath::reach(std::size_t place, broker::KinesisTargetOptions options) {
  auto& target = *stages_->targets[place];
  target.change(std::move(options.client), options.shards);
  stages_->route.moved(place);
  // By other keys it may be another account's.
  stages_->marked_targets[place]->marks().forget();
  parts_.log.info("target is reached another way",
                  {{"target", target.name()}, {"address", target.address()}});
}

void DeliveryPath::set_streams(std::vector<std::string> streams) {
  stages_->switches.set_streams(std::move(streams));
}

void DeliveryPath::set_switching(const broker::SwitchingSettings& settings) {
  stages_->route.set_switching(settings);
}

void DeliveryPath::set_catch_up(const broker::CatchUp& catch_up) {
  stages_->delivery.set_catch_up(catch_up);
}

void DeliveryPath::set_linger(nanoseconds linger) { stages_->delivery.set_linger(linger); }

broker::Delivery& DeliveryPath::delivery() { return stages_->delivery; }

broker::Switches& DeliveryPath::switches() { return stages_->switches; }

}  // namespace spillway::server
