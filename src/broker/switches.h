// The switches of a broker: those that its route makes by itself, and those of people. Each is
// stored (switch_state.h) and logged (switch_log.h) before it takes effect.
//
// What can't be stored or logged stops no switch: records have to go somewhere. It is told loudly,
// and in the answer to who asked for it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "broker/route.h"
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
  struct Parts {
    io::EventLoop& loop;
    Route& route;
    SwitchState& state;  // loaded
    SwitchLog& log;      // opened
    io::EventLog& events;
  };

  // Of a person. `who` is what they say of themselves.
  struct Wish {
    std::string target;  // empty: what holds is released
    std::string reason;
    std::string who;
    std::string request_id;
  };
  struct Done {
    std::string target;  // in use now; empty: none
    bool held = false;
    bool changed = false;  // false: it was so before
    std::string because;
    std::string fault;  // empty, or what could not be stored or logged
  };

  // `broker`: its name, for the log. Before the route is started.
  Switches(Parts parts, std::string broker);

  // Asking again for what was done changes nothing, and is answered the same. kInvalid: there is no
  // reason; kNotFound: no such target; kUnsupported: there is one target only; kDenied: the target
  // may not be used.
  Result<Done> make(const Wish& wish);

 private:
  void chosen(const Choice& choice);
  void record(SwitchAction action, const std::string& from, const std::string& to,
              const std::string& reason);
  void note_fault(const std::string& fault);
  Done done(bool changed);

  const Parts parts_;
  const std::string broker_;
  std::vector<std::string> targets_;
  StreamSwitch stored_;
  const Wish* asked_ = nullptr;  // while it is being made
  std::string fault_;            // of what is being made
};

}  // namespace spillway::broker
