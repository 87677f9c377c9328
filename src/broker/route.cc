#include "broker/route.h"

#include <fmt/format.h>

#include <utility>

#include "base/assert.h"

namespace spillway::broker {
namespace {

std::vector<std::string> names_of(std::span<Target* const> targets) {
  std::vector<std::string> names;
  names.reserve(targets.size());
  for (const auto* target : targets) names.push_back(target->name());
  return names;
}

}  // namespace

Route::Route(Parts parts, std::span<Target* const> targets, const RouteSettings& settings,
             Switching::Kept kept)
    : parts_(parts),
      switching_(names_of(targets), settings.switching, std::move(kept)),
      switches_(parts.metrics.counter("spillway_broker_switches_total",
                                      "Times that another target was used than before")),
      timer_(parts.loop.make_timer()) {
  queued_.reserve(targets.size());
  links_.reserve(targets.size());
  for (auto* target : targets) {
    std::function<bool()> takes;
    if (targets.size() > 1) {
      auto watched = std::make_unique<WatchedTarget>(parts.loop, *target, settings.health,
                                                     settings.canary_stream);
      takes = [&breaker = watched->breaker()] { return breaker.may_send(); };
      target = watched.get();
      watched_.push_back(std::move(watched));
      reserves_.emplace_back();
      states_.emplace_back(parts.metrics, "spillway_broker_target_state",
                           "Of its breaker: 0 closed, 1 half-open, 2 open",
                           metrics::Labels{{"target", target->name()}});
    }
    queued_.push_back(
        std::make_unique<QueuedTarget>(parts.loop, *target, std::move(takes), parts.metrics));
    links_.push_back(std::make_unique<TargetLink>(
        parts.loop, *queued_.back(), settings.canary_stream, parts.log, parts.metrics));
  }
}

void Route::start(UniqueFunction<void()> changed) {
  changed_ = std::move(changed);
  for (const auto& link : links_) {
    link->on_flow([this] {
      if (flows_) std::exchange(flows_, nullptr)();
    });
  }
  if (!has_choice()) return decide();
  for (const auto& target : watched_) {
    target->on_change([this] {
      // Not from within a call's end.
      if (std::exchange(deciding_soon_, true)) return;
      parts_.loop.post([this] {
        deciding_soon_ = false;
        decide();
      });
    });
  }
  tick();
}

void Route::tick() {
  for (const auto& target : watched_) target->tick();
  decide();
  if (!closed_) timer_->start(Breaker::kTick, [this] { tick(); });
}

// Why it can't be used is said as of several ones.
void Route::decide_on_the_only_one() {
  const auto& found = switching_.kept().set_back.front();
  const auto& name = links_.front()->target().name();
  Choice next{0, Footing::kHealthy, "it is the only target"};
  if (!found.empty()) {
    next = {std::nullopt, Footing::kNone,
            fmt::format("the only target can't be used, records are kept in the spool; {} was set "
                        "back: {}",
                        name, found)};
  }
  if (next.because != choice_.because) use(next);
}

void Route::decide() {
  if (closed_) return;
  if (!has_choice()) return decide_on_the_only_one();
  std::vector<TargetHealth> health;
  health.reserve(watched_.size());
  for (std::size_t place = 0; place < watched_.size(); ++place) {
    health.push_back(breaker(place).health());
    states_[place].set(static_cast<std::int64_t>(health.back().state));
    tell_of_reserve(place, health.back());
  }
  const MonoTime now = parts_.loop.mono_now();
  Switching next = switching_;
  bool changed = next.decide(health, now);
  while (refused(next)) {  // each time one target less is permitted
    switching_.permit(*next.kept().used, false);
    next = switching_;
    changed = next.decide(health, now);
  }
  switching_ = std::move(next);
  if (changed) use(switching_.choice());
}

// Of the target in use its link tells, and the choice of another one.
void Route::tell_of_reserve(std::size_t place, const TargetHealth& health) {
  auto& reserve = reserves_[place];
  const auto& target = links_[place]->target();
  if (health.state == BreakerState::kClosed) {
    if (reserve.told)
      parts_.log.info("a target in reserve is well again", {{"target", target.name()}});
    reserve = {};
  } else if (health.state == BreakerState::kOpen && !std::exchange(reserve.down, true) &&
             choice_.target != place) {
    reserve.told = true;
    parts_.log.warning(
        "a target in reserve is down",
        {{"target", target.name()}, {"address", target.address()}, {"reason", health.reason}});
  }
}

bool Route::refused(const Switching& next) {
  const auto used = next.kept().used;
  const bool asks = used && *used > 0 && used != switching_.kept().used && !next.kept().held;
  return asks && may_leave_ && !may_leave_(*used);
}

void Route::use(const Choice& choice) {
  if (chosen_) chosen_(choice);
  const Choice before = std::exchange(choice_, choice);
  if (before.target == choice_.target) return;
  chosen_at_ = parts_.loop.mono_now();
  if (choice_.target && last_used_ && last_used_ != choice_.target) switches_.add();
  if (choice_.target) last_used_ = choice_.target;
  if (!before.because.empty()) {
    parts_.log.warning("records go another way", {{"from", name_of(before)},
                                                  {"to", name_of(choice_)},
                                                  {"footing", to_string(choice_.footing)},
                                                  {"because", choice_.because}});
  }
  changed_();
  // Where there is no other, what is under way may yet come to a good end.
  for (std::size_t place = 0; choice_.target && place < queued_.size(); ++place)
    if (place != *choice_.target) queued_[place]->abandon();
}

Status Route::hold(std::size_t place, std::string because) {
  SPILLWAY_TRY(switching_.hold(place, std::move(because)));
  decide();
  return {};
}

void Route::release() {
  switching_.release();
  decide();
}

void Route::set_back(std::size_t place, std::string found) {
  ++set_backs_;
  switching_.set_back(place, std::move(found));
  decide();
}

void Route::accept(std::size_t place) {
  switching_.accept(place);
  decide();
}

std::string Route::name_of(const Choice& choice) const {
  return choice.target ? links_[*choice.target]->target().name() : "none";
}

TargetLink* Route::sendable() {
  if (closed_ || !choice_.target) return nullptr;
  if (!queued_[*choice_.target]->may_send()) return nullptr;
  return links_[*choice_.target].get();
}

TargetLink* Route::spare(std::size_t place) {
  if (closed_) return nullptr;
  // Nobody else asks one that was set back whether it is there.
  const bool is_set_back = !kept().set_back[place].empty();
  const auto& queued = *queued_[place];
  const bool well = has_choice() ? breaker(place).state() == BreakerState::kClosed
                                 : is_set_back || links_[place]->status().ok();
  return well && queued.may_send() && !queued.waiting() ? links_[place].get() : nullptr;
}

bool Route::is_crowded() const { return choice_.target && queued_[*choice_.target]->waiting(); }

std::size_t Route::requests_at_once() const {
  if (!choice_.target) return 1;
  const auto& target = *queued_[*choice_.target];
  return target.packing() == LanePacking::kPrefix ? target.limit() : 1;
}

void Route::close() {
  if (std::exchange(closed_, true)) return;
  timer_->cancel();
  for (const auto& link : links_) link->close();
}

std::uint64_t Route::acknowledged() const {
  std::uint64_t records = 0;
  for (const auto& link : links_) records += link->acknowledged();
  return records;
}

}  // namespace spillway::broker
