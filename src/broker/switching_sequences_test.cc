// All sequences of a few events, up to a length: what a switching must never do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "broker/switching.h"

namespace spillway::broker {
namespace {

constexpr SwitchingSettings kSettings;

// What may happen to each target, and to the route.
enum class OfTarget {
  kClosed,
  kHalfOpen,
  kServes,
  kDead,
  kHold,
  kSetBack,
  kAccept,
  kPermit,
  kForbid,
};
constexpr std::size_t kOfTarget = 9;
enum class OfRoute { kRelease, kFewSeconds, kMinute };
constexpr std::size_t kOfRoute = 3;

struct World {
  explicit World(std::size_t targets)
      : switching(std::vector<std::string>(targets, "x"), kSettings),
        health(targets, {BreakerState::kClosed, true, now, "well"}),
        set_back(targets),
        permitted(targets, true) {
    switching.decide(health, now);
  }

  void apply(std::size_t event);
  // May be switched to by itself.
  bool fit(std::size_t target) const {
    return health[target].state == BreakerState::kClosed && !set_back[target] &&
           (target == 0 || permitted[target]);
  }
  std::optional<std::size_t> target() const { return switching.choice().target; }

  MonoTime now{std::chrono::hours(5)};
  Switching switching;
  std::vector<TargetHealth> health;
  std::optional<std::size_t> held;
  std::vector<bool> set_back;
  std::vector<bool> permitted;
  bool changed = false;

 private:
  void apply_to(std::size_t target, OfTarget event);
};

void World::apply_to(std::size_t target, OfTarget event) {
  switch (event) {
    case OfTarget::kClosed:
      if (health[target].state != BreakerState::kClosed)
        health[target] = {BreakerState::kClosed, true, now, "well"};
      break;
    case OfTarget::kHalfOpen:
      health[target] = {BreakerState::kHalfOpen, true, now, "better"};
      break;
    case OfTarget::kServes:
      health[target] = {BreakerState::kOpen, true, now, "slow"};
      break;
    case OfTarget::kDead:
      health[target] = {BreakerState::kOpen, false, now, "refuses"};
      break;
    case OfTarget::kHold:
      if (switching.hold(target, "a person").ok()) held = target;
      break;
    case OfTarget::kSetBack:
      set_back[target] = true;
      switching.set_back(target, "behind");
      break;
    case OfTarget::kAccept:
      set_back[target] = false;
      switching.accept(target);
      break;
    case OfTarget::kPermit:
    case OfTarget::kForbid:
      permitted[target] = event == OfTarget::kPermit;
      switching.permit(target, permitted[target]);
      break;
  }
}

void World::apply(std::size_t event) {
  now += Breaker::kTick;
  if (event < kOfTarget * health.size()) {
    apply_to(event / kOfTarget, static_cast<OfTarget>(event % kOfTarget));
  } else {
    switch (static_cast<OfRoute>(event - kOfTarget * health.size())) {
      case OfRoute::kRelease:
        held.reset();
        switching.release();
        break;
      case OfRoute::kFewSeconds:
        now += seconds(10);
        break;
      case OfRoute::kMinute:
        now += seconds(60);
        break;
    }
  }
  changed = switching.decide(health, now);
}

// What is wrong, or an empty text.
std::string wrong(const World& before, const World& after) {
  const auto was = before.target();
  const auto is = after.target();
  const auto footing = after.switching.choice().footing;
  if (after.changed != (was != is || before.switching.choice().footing != footing))
    return "a change isn't told, or none is";
  if (after.switching.choice().because.empty()) return "no reason";
  if (is && after.set_back[*is]) return "uses a target that was set back";
  if (after.held) {
    if (footing != Footing::kHeld) return "not held";
    return is == (after.set_back[*after.held] ? std::nullopt : after.held)
               ? ""
               : "leaves a person's choice";
  }
  if (footing == Footing::kHeld) return "held by nobody";
  bool any_fit = false;
  for (std::size_t target = 0; target < after.health.size(); ++target)
    any_fit = any_fit || after.fit(target);
  const bool closed = is && after.health[*is].state == BreakerState::kClosed;
  if (any_fit && !closed) return "doesn't use a healthy target";
  if (closed != (footing == Footing::kHealthy)) return "another footing than it has";
  if (is && !closed && !after.health[*is].serves) return "uses a target that stores nothing";
  if (was == is || !is) return {};
  // It has moved.
  const auto kept = before.switching.kept().used;
  if (kept && *kept != *is) {
    if (*is != 0 && !after.permitted[*is]) return "moves where it is not permitted";
    const bool well = after.health[*kept].state == BreakerState::kClosed && !after.set_back[*kept];
    const auto stable = after.now - after.health[*is].since;
    if (well && (*is > *kept || stable < kSettings.return_after))
      return "leaves a healthy target without need";
  }
  return {};
}

class Sequences {
 public:
  Sequences(std::size_t targets, std::size_t length)
      : events_(targets * kOfTarget + kOfRoute), length_(length) {}

  void look(const World& before) {
    for (std::size_t event = 0; event < events_; ++event) {
      World after = before;
      after.apply(event);
      path_.push_back(event);
      ++seen_;
      ++footings_[static_cast<std::size_t>(after.switching.choice().footing)];
      ASSERT_EQ(wrong(before, after), "") << told();
      World again = after;
      ASSERT_FALSE(again.switching.decide(again.health, again.now)) << "at once again, " << told();
      if (path_.size() < length_) look(after);
      if (testing::Test::HasFatalFailure()) return;
      path_.pop_back();
    }
  }
  void print(std::size_t targets) const {
    std::printf("%llu sequences with %zu targets; at their end", seen_, targets);
    for (std::size_t i = 0; i < footings_.size(); ++i) {
      std::printf("%s %llu %s", i > 0 ? "," : "", footings_[i],
                  std::string(to_string(static_cast<Footing>(i))).c_str());
      EXPECT_GT(footings_[i], 100u);
    }
    std::printf("\n");
  }

 private:
  std::string told() const {
    std::string all = "after the events";
    for (const auto event : path_) {
      all += event < events_ - kOfRoute
                 ? " " + std::to_string(event / kOfTarget) + "." + std::to_string(event % kOfTarget)
                 : " " + std::to_string(event - (events_ - kOfRoute));
    }
    return all;
  }

  const std::size_t events_;
  const std::size_t length_;
  std::vector<std::size_t> path_;
  unsigned long long seen_ = 0;
  std::array<unsigned long long, 4> footings_{};
};

TEST(SwitchingSequences, NoneLeadsToWhatMustNotBe) {
  for (const auto& [targets, length] : {std::pair<std::size_t, std::size_t>{2, 5}, {3, 4}}) {
    Sequences sequences(targets, length);
    sequences.look(World{targets});
    sequences.print(targets);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace spillway::broker
