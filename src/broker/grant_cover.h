// How long a broker may yet switch by itself, by the grants that it has: the alarm before they end.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/time.h"
#include "io/event_log.h"
#include "metrics/owned_gauge.h"
#include "metrics/registry.h"

namespace spillway::broker {

// One thread.
class GrantCover {
 public:
  static constexpr std::chrono::hours kAlarm{14 * 24};
  static constexpr nanoseconds kToldEvery = std::chrono::hours(24);

  // `targets`: that switches need grants for.
  GrantCover(std::span<const std::string> targets, io::EventLog& log, metrics::Registry& metrics);

  // Every second or so. `until`: of each target, nullopt where no grant allows a switch to it now;
  // `now`: by which grants are judged. Where in kAlarm none will be left, for whichever target, the
  // log warns, once and then every kToldEvery.
  void look(std::span<const std::optional<WallTime>> until, WallTime now, MonoTime mono);

  bool ending() const { return told_at_.has_value(); }
  // Of the target that is covered longest; nullopt: none is.
  std::optional<WallTime> until() const { return until_; }

 private:
  io::EventLog& log_;
  std::vector<metrics::OwnedGauge> seconds_;  // by target
  std::optional<WallTime> until_;
  std::optional<MonoTime> told_at_;  // that they end soon
};

}  // namespace spillway::broker
