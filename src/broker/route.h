// Where records go: the targets of a broker in order of preference, and which of them is used now
// (switching.h), by their health (health.h).
//
// All streams go the same way. Breakers are of targets, not of streams: what a region fails at, it
// fails at for all of them, and a broker of a thousand streams needs no thousand canaries.
//
// A single target is always used, unless it was set back, and has neither breaker nor canaries:
// there is no choice to make.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "broker/queued_target.h"
#include "broker/switching.h"
#include "broker/target_link.h"
#include "broker/watched_target.h"
#include "io/event_log.h"
#include "io/event_loop.h"
#include "metrics/owned_gauge.h"
#include "metrics/registry.h"

namespace spillway::broker {

struct RouteSettings {
  HealthSettings health;
  SwitchingSettings switching;
  std::string canary_stream = "spillway-canary";
};

// On the loop's thread, but for what is marked. What it is handed outlives it.
class Route {
 public:
  struct Parts {
    io::EventLoop& loop;
    io::EventLog& log;
    metrics::Registry& metrics;
  };

  // `targets`: at least one.
  Route(Parts parts, std::span<Target* const> targets, const RouteSettings& settings,
        Switching::Kept kept = {});

  // From now on a target is chosen. `changed` is called when another one is used, or none, before
  // those who wait for the one that was used before are told that they wait in vain.
  void start(UniqueFunction<void()> changed);
  // Called once, when the first records are acknowledged by any target.
  void on_flow(UniqueFunction<void()> flows) { flows_ = std::move(flows); }
  // Called before a choice takes effect that differs from the one before in its target or footing.
  using Watcher = std::function<void(const Choice& choice)>;
  void on_choice(Watcher chosen) { chosen_ = std::move(chosen); }
  // Asked before the route goes, by itself, to another target than the one before, unless that is
  // the first: whether it may. One that it may not is not permitted from then on.
  using Gate = std::function<bool(std::size_t place)>;
  void on_leave(Gate may_leave) { may_leave_ = std::move(may_leave); }
  // As Switching's; with the next decision.
  void permit(std::size_t place, bool permitted) { switching_.permit(place, permitted); }
  // Likewise.
  void set_switching(const SwitchingSettings& settings) { switching_.set_settings(settings); }
  // A person's switch, of a route that has a choice, and its end, as Switching's; at once.
  Status hold(std::size_t place, std::string because);
  void release();

  // As Switching's; at once.
  void set_back(std::size_t place, std::string found);
  // How often that was since the start: what was acknowledged before may be gone.
  std::uint64_t set_backs() const { return set_backs_; }
  void accept(std::size_t place);

  // As Switching's.
  void lag(std::size_t place, bool lags) { switching_.lag(place, lags); }

  // Where to send to now; nullptr: nowhere, records wait.
  TargetLink* sendable();
  // The target there, used or not, set back or not, while it is well and takes more than it is
  // given now; else nullptr.
  TargetLink* spare(std::size_t place);
  // Whether a request waits for its turn at the target in use.
  bool is_crowded() const;
  // How many requests of one shard of the spool may be under way to it: one, where what is stored
  // of a request is no prefix of its lanes, and so it has something of each lane.
  std::size_t requests_at_once() const;
  // Ends all calls under way with kClosed, from within, and each later one at once.
  void close();

  bool has_choice() const { return !watched_.empty(); }
  std::size_t size() const { return links_.size(); }
  // Of requests that the target there is sent at a time.
  std::size_t requests_limit(std::size_t place) const { return queued_[place]->limit(); }
  const TargetLink& link(std::size_t place) const { return *links_[place]; }
  // The target there is at another place.
  void moved(std::size_t place) { links_[place]->moved(); }
  // Of a route that has a choice.
  const Breaker& breaker(std::size_t place) const { return watched_[place]->breaker(); }
  const Choice& choice() const { return choice_; }
  const Switching::Kept& kept() const { return switching_.kept(); }
  MonoTime chosen_at() const { return chosen_at_; }
  // The one in use, or that would be if any could.
  const TargetLink& current() const { return *links_[switching_.kept().used.value_or(0)]; }
  // Records that were acknowledged, by whichever target. Any thread.
  std::uint64_t acknowledged() const;

 private:
  void tick();
  void decide();
  void decide_on_the_only_one();
  bool refused(const Switching& next);
  void use(const Choice& choice);
  void tell_of_reserve(std::size_t place, const TargetHealth& health);
  std::string name_of(const Choice& choice) const;

  const Parts parts_;
  std::vector<std::unique_ptr<WatchedTarget>> watched_;  // none, where there is no choice
  std::vector<std::unique_ptr<QueuedTarget>> queued_;
  std::vector<std::unique_ptr<TargetLink>> links_;
  std::vector<metrics::OwnedGauge> states_;  // of the watched
  struct Reserve {
    bool down = false;
    bool told = false;  // when it went down, and hence when it is back
  };
  std::vector<Reserve> reserves_;  // likewise
  Switching switching_;
  Choice choice_;
  MonoTime chosen_at_{};
  std::optional<std::size_t> last_used_;
  std::uint64_t set_backs_ = 0;
  metrics::Counter& switches_;
  const std::unique_ptr<io::Timer> timer_;
  UniqueFunction<void()> changed_;
  UniqueFunction<void()> flows_;
  Watcher chosen_;
  Gate may_leave_;
  bool deciding_soon_ = false;
  bool closed_ = false;
};

}  // namespace spillway::broker
