// The switches of a broker: those that its route makes by itself, and those of people. Each is
// stored (switch_state.h) and logged (switch_log.h) before it takes effect.
//
// What can't be stored or logged stops no switch: records have to go somewhere. It is told loudly,
// and in the answer to who asked for it.
//
// Where switches need grants (switch_approval.h), one by a person, and one that the route makes by
// itself, is refused without. The way back to the first target needs none, nor does a release. To
// accept a target that was set back takes what a switch to it does.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "broker/grant_cover.h"
#include "broker/route.h"
#include "broker/switch_approval.h"
#include "broker/switch_log.h"
#include "broker/switch_state.h"
#include "io/event_log.h"
#include "io/event_loop.h"

namespace spillway::broker {

// In the state and the log: all streams of a broker go the same way.
inline constexpr std::string_view kAllStreams = "*";

// What a route has to know again: `state` as SwitchState::of() gives it for these targets.
Switching::Kept kept_of(const StreamSwitch& state, std::span<const std::string> targets);

// On the loop's thread; calls block on the disk. What it is handed outlives it.
class Switches {
 public:
  // Of refusals of what people ask for, the log has so many in each kRefusalsWithin: whoever asks
  // again and again must not fill the disk. The next one says how many it lacks.
  static constexpr std::uint64_t kRefusalsMax = 20;
  static constexpr nanoseconds kRefusalsWithin = seconds(60);

  struct Parts {
    io::EventLoop& loop;
    Route& route;
    SwitchState& state;  // loaded
    SwitchLog& log;      // opened
    io::EventLog& events;
    metrics::Registry& metrics;
    std::span<const std::string> streams;  // all of them, at first
    SwitchApproval* approval = nullptr;    // where switches need grants
  };

  // Of a person.
  struct Wish {
    std::string stream;  // empty: whatever they are; else one of them, though all are switched
    std::string target;  // empty: what holds is released, unless one is accepted
    std::string accept;  // the target that was set back, and may be used from now on
    std::string reason;
    std::string who;           // what they say of themselves; or, proven, their key
    bool proven = false;       // that they hold it
    std::string grant;         // its text, where they give one besides those at hand
    bool break_glass = false;  // they do without
    std::string request_id;
  };
  struct Done {
    std::string target;  // in use now; empty: none
    bool held = false;
    bool changed = false;  // false: it was so before
    std::string because;
    std::string fault;          // empty, or what could not be stored or logged
    std::uint64_t receipt = 0;  // its id; 0: nothing goes another way than before
  };

  // `broker`: its name, for the log. Before the route is started.
  Switches(Parts parts, std::string broker);

  // Called with each switch and return to another target, when it is logged and before it takes
  // effect; gives the id of its receipt.
  using Watcher = std::function<std::uint64_t(const SwitchEvent& event)>;
  void on_switch(Watcher switched) { switched_ = std::move(switched); }

  // Called before a target that was set back is accepted: the one says why it can't be yet; the
  // other gives what can't be stored of that.
  using Acceptance = std::function<Status(std::size_t place)>;
  void on_accept(Acceptance may_accept, Acceptance accepted) {
    may_accept_ = std::move(may_accept);
    accepted_ = std::move(accepted);
  }
  // The target was set back, and the route knows of it: stored and logged. `found` is for people.
  void record_set_back(std::size_t place, const std::string& found);

  // Asking again for what was done changes nothing, and is answered the same. kInvalid: there is no
  // reason; kNotFound: no such target or stream; kUnsupported: a switch where there is one target
  // only; kDenied: the target may not be used, or there is no grant for it; kBusy:
  // it can't be accepted yet.
  Result<Done> make(const Wish& wish);

  // Of a route that another one is to take the place of, to other targets: which one is in use is
  // stored, where it isn't yet.
  void store_used();
  // Of the route that takes its place, before that is started: `target` was in use, and is none of
  // its targets. A switch like others, to the first one.
  void left(const std::string& target);

  // Every second, and before the route is started: takes in grants and revocations, and lets the
  // route go by them.
  void look();

  std::span<const std::string> streams() const { return streams_; }
  // Those that there are from now on; and those that there were, of which records wait in the spool
  // still: they go the same way. A grant has to be for all of them.
  void set_streams(std::vector<std::string> streams);
  void set_held(std::vector<std::string> streams);
  // How it is now, for the broker's status: one JSON object.
  std::string status_json() const;

 private:
  // By what a switch is made.
  struct Leave {
    std::string grant;
    bool break_glass = false;
  };

  Status carry_out(const Wish& wish);
  Result<std::size_t> place_of(const std::string& target) const;
  Status hold(const Wish& wish);
  Status accept(const Wish& wish);
  void release();
  Status approve(const Wish& wish, const std::string& target);
  bool may_leave(std::size_t place);
  void take_in_grants();
  void look_for_refusals(WallTime clock);
  void refuse_by_itself(const std::string& target, const Decision& decision);
  void chosen(const Choice& choice);
  void store(StreamSwitch next);
  void record_refusal(const std::string& target, std::string why);
  SwitchEvent record(SwitchAction action, const std::string& from, const std::string& to,
                     const std::string& reason);
  void append(const SwitchEvent& event);
  void note_fault(const std::string& fault);
  Done done(bool changed);
  void cover_streams();

  const Parts parts_;
  const std::string broker_;
  std::vector<std::string> configured_;
  std::vector<std::string> held_;
  std::vector<std::string> streams_;  // both
  std::vector<std::string> targets_;
  StreamSwitch stored_;
  Watcher switched_;
  Acceptance may_accept_;
  Acceptance accepted_;
  const Wish* asked_ = nullptr;  // while it is being made
  Leave leave_;                  // likewise
  std::string refused_;          // the last switch that the route could not make by itself
  std::string fault_;            // of what is being made
  std::uint64_t receipt_ = 0;    // likewise
  MonoTime refusals_since_{};
  std::uint64_t refusals_ = 0;  // recorded since then
  std::uint64_t unrecorded_ = 0;
  metrics::Gauge& glass_broken_;
  std::optional<GrantCover> cover_;  // where switches need grants
};

}  // namespace spillway::broker
