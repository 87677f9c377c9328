// Which target a route uses: a value that looks at its targets' breakers (health.h) and at what
// people said, and decides.
//
// - A person's switch holds until it is released, however the targets are.
// - The target in use stays while it is closed. When it isn't, the first closed one is used.
// - A target that stands before the one in use is returned to when it has been closed for a time,
//   if the route returns by itself, and not before it has what it missed where it is sent that, up
//   to a bound.
// - Where none is closed, records stay in the spool, but for a last resort: the target in use goes
//   on while it stores something (its breaker bounds how much it is asked), and gives way to
//   another such one only when it has stored nothing for a time.
// - A target that was set back (it lost what it had acknowledged) is not used until a person
//   accepts it. One that isn't permitted is not switched to, unless by a person or to return to
//   the first.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "broker/health.h"

namespace spillway::broker {

struct SwitchingSettings {
  bool returns = true;                     // by itself; else when a person says so
  nanoseconds return_after = seconds(60);  // closed for so long
  // So much longer at most, while the target is sent what it missed.
  nanoseconds lag_at_most = std::chrono::minutes(10);
  nanoseconds last_resort_after = seconds(10);  // in use, and storing nothing for so long
};

enum class Footing {
  kHealthy,     // the target is closed
  kHeld,        // by a person
  kLastResort,  // none is closed, and this one stores something
  kNone,        // no target: records stay in the spool
};
std::string_view to_string(Footing footing);

struct Choice {
  std::optional<std::size_t> target;  // its place in the route's list
  Footing footing = Footing::kNone;
  std::string because;  // for people, of the moment when it was made
};

// A value; times must not go back. One thread. Targets are named by their place in the route's
// list; a place that doesn't exist is an assertion.
class Switching {
 public:
  // What has to survive a restart; empty lists stand for targets of which nothing is known.
  struct Kept {
    std::optional<std::size_t> used;    // the last one
    std::optional<std::string> held;    // used is held by a person, who said why
    std::vector<std::string> set_back;  // by place: what was found, empty for most
  };

  // `names`: of the targets, in order of preference, at least one.
  Switching(std::vector<std::string> names, const SwitchingSettings& settings, Kept kept = {});

  // All below take effect with the next decide().

  // A person's switch, and its end. kDenied for a target that was set back.
  Status hold(std::size_t target, std::string because);
  void release();
  void set_settings(const SwitchingSettings& settings) { settings_ = settings; }
  // What was found, and that a person has accepted it.
  void set_back(std::size_t target, std::string found);
  void accept(std::size_t target);
  // Whether it is being sent what it missed, and doesn't have all of it yet; it isn't until this is
  // called.
  void lag(std::size_t target, bool lags);
  // Whether a switch to it is permitted without a person; it is until this is called.
  void permit(std::size_t target, bool permitted);

  // `health`: of each target. Whether choice() has another target or footing than before. Call it
  // at least every Breaker::kTick, and when a breaker has changed its state.
  bool decide(std::span<const TargetHealth> health, MonoTime now);
  const Choice& choice() const { return choice_; }
  const Kept& kept() const { return kept_; }

 private:
  Choice held_choice() const;
  Choice automatic_choice(std::span<const TargetHealth> health, MonoTime now);
  Choice last_resort(std::span<const TargetHealth> health, MonoTime now);
  bool usable(std::size_t target) const;
  bool closed(std::span<const TargetHealth> health, std::size_t target) const;
  bool is_due(const TargetHealth& health, std::size_t target, MonoTime now) const;
  bool serves(std::span<const TargetHealth> health, std::size_t target) const;
  std::string why_not(std::span<const TargetHealth> health, std::size_t target) const;

  std::vector<std::string> names_;
  SwitchingSettings settings_;
  Kept kept_;
  std::vector<bool> permitted_;
  std::vector<bool> lagging_;
  Choice choice_;
  std::optional<MonoTime> unserved_since_;  // the target in use stores nothing
};

}  // namespace spillway::broker
