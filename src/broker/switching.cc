#include "broker/switching.h"

#include <fmt/format.h>

#include <utility>

#include "base/assert.h"

namespace spillway::broker {
namespace {

// For Choice::because, where nothing has to be said anew.
Choice stay(const Choice& before, std::size_t target, Footing footing, std::string otherwise) {
  if (before.target == target && before.footing == footing) return before;
  return {target, footing, std::move(otherwise)};
}

}  // namespace

std::string_view to_string(Footing footing) {
  switch (footing) {
    case Footing::kHealthy:
      return "healthy";
    case Footing::kHeld:
      return "held by a person";
    case Footing::kLastResort:
      return "last resort";
    case Footing::kNone:
      return "no target";
  }
  return "";
}

Switching::Switching(std::vector<std::string> names, const SwitchingSettings& settings, Kept kept)
    : names_(std::move(names)),
      settings_(settings),
      kept_(std::move(kept)),
      permitted_(names_.size(), true),
      lagging_(names_.size(), false) {
  SPILLWAY_ASSERT(!names_.empty() && kept_.set_back.size() <= names_.size());
  SPILLWAY_ASSERT(kept_.used ? *kept_.used < names_.size() : !kept_.held);
  kept_.set_back.resize(names_.size());
}

Status Switching::hold(std::size_t target, std::string because) {
  SPILLWAY_ASSERT(target < names_.size());
  if (!usable(target)) {
    return Error{ErrorCode::kDenied,
                 fmt::format("{} was set back: {}; accept it before anything is sent there",
                             names_[target], kept_.set_back[target])};
  }
  kept_.used = target;
  kept_.held = std::move(because);
  return {};
}

void Switching::release() { kept_.held.reset(); }

void Switching::set_back(std::size_t target, std::string found) {
  SPILLWAY_ASSERT(target < names_.size() && !found.empty());
  kept_.set_back[target] = std::move(found);
}

void Switching::accept(std::size_t target) {
  SPILLWAY_ASSERT(target < names_.size());
  kept_.set_back[target].clear();
}

void Switching::permit(std::size_t target, bool permitted) {
  SPILLWAY_ASSERT(target < names_.size());
  permitted_[target] = permitted;
}

void Switching::lag(std::size_t target, bool lags) {
  SPILLWAY_ASSERT(target < names_.size());
  lagging_[target] = lags;
}

bool Switching::decide(std::span<const TargetHealth> health, MonoTime now) {
  SPILLWAY_ASSERT(health.size() == names_.size());
  if (!kept_.used || closed(health, *kept_.used) || serves(health, *kept_.used)) {
    unserved_since_.reset();
  } else if (!unserved_since_) {
    unserved_since_ = now;
  }
  const auto used = kept_.used;
  auto next = kept_.held ? held_choice() : automatic_choice(health, now);
  if (next.target) kept_.used = next.target;
  if (kept_.used != used) unserved_since_.reset();
  const bool changed = next.target != choice_.target || next.footing != choice_.footing;
  choice_ = std::move(next);
  return changed;
}

// To be returned to.
bool Switching::is_due(const TargetHealth& health, std::size_t target, MonoTime now) const {
  const auto bound =
      settings_.return_after + (lagging_[target] ? settings_.lag_at_most : nanoseconds(0));
  return now - health.since >= bound;
}

Choice Switching::held_choice() const {
  const std::size_t target = *kept_.used;
  if (usable(target)) return {target, Footing::kHeld, *kept_.held};
  return {std::nullopt, Footing::kHeld,
          fmt::format("{} is held by a person and was set back: {}; accept it, or release the "
                      "switch; records are kept in the spool",
                      names_[target], kept_.set_back[target])};
}

Choice Switching::automatic_choice(std::span<const TargetHealth> health, MonoTime now) {
  const auto used = kept_.used;
  if (used && closed(health, *used)) {
    for (std::size_t target = 0; settings_.returns && target < *used; ++target) {
      if (closed(health, target) && (target == 0 || permitted_[target]) &&
          is_due(health[target], target, now)) {
        return {target, Footing::kHealthy,
                fmt::format("{} comes before {}, and is healthy again: {}", names_[target],
                            names_[*used], health[target].reason)};
      }
    }
    return stay(choice_, *used, Footing::kHealthy,
                fmt::format("{} is healthy: {}", names_[*used], health[*used].reason));
  }
  for (std::size_t target = 0; target < names_.size(); ++target) {
    if (!closed(health, target) || (target > 0 && !permitted_[target])) continue;
    if (!used) return {target, Footing::kHealthy, "the first that is healthy"};
    return {target, Footing::kHealthy,
            fmt::format("{}; {} is healthy", why_not(health, *used), names_[target])};
  }
  return last_resort(health, now);
}

Choice Switching::last_resort(std::span<const TargetHealth> health, MonoTime now) {
  const auto used = kept_.used;
  if (used && serves(health, *used)) {
    return stay(choice_, *used, Footing::kLastResort,
                fmt::format("no other target can be used, and {} still stores records: {}",
                            names_[*used], why_not(health, *used)));
  }
  const bool may_leave = !used || !usable(*used) ||
                         (unserved_since_ && now - *unserved_since_ >= settings_.last_resort_after);
  for (std::size_t target = 0; may_leave && target < names_.size(); ++target) {
    if (!serves(health, target) || (target > 0 && !permitted_[target])) continue;
    return {target, Footing::kLastResort,
            fmt::format("no target is healthy, and {} stores records: {}", names_[target],
                        why_not(health, target))};
  }
  if (choice_.footing == Footing::kNone && !choice_.because.empty()) return choice_;
  std::string because = "no target can be used, records are kept in the spool";
  for (std::size_t target = 0; target < names_.size(); ++target)
    because += "; " + why_not(health, target);
  return {std::nullopt, Footing::kNone, std::move(because)};
}

bool Switching::usable(std::size_t target) const { return kept_.set_back[target].empty(); }

bool Switching::closed(std::span<const TargetHealth> health, std::size_t target) const {
  return usable(target) && health[target].state == BreakerState::kClosed;
}

bool Switching::serves(std::span<const TargetHealth> health, std::size_t target) const {
  return usable(target) && health[target].serves;
}

std::string Switching::why_not(std::span<const TargetHealth> health, std::size_t target) const {
  if (!usable(target))
    return fmt::format("{} was set back: {}", names_[target], kept_.set_back[target]);
  if (health[target].state == BreakerState::kClosed)
    return fmt::format("{} is healthy, but no switch to it is permitted", names_[target]);
  return fmt::format("{} is {}: {}", names_[target], to_string(health[target].state),
                     health[target].reason);
}

}  // namespace spillway::broker
