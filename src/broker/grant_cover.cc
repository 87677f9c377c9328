#include "broker/grant_cover.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/rfc3339.h"

namespace spillway::broker {

GrantCover::GrantCover(std::span<const std::string> targets, io::EventLog& log,
                       metrics::Registry& metrics)
    : log_(log) {
  seconds_.reserve(targets.size());
  for (const auto& target : targets) {
    seconds_.emplace_back(metrics, "spillway_broker_grant_seconds",
                          "How long grants yet allow the broker to switch to the target by "
                          "itself; 0: none does",
                          metrics::Labels{{"target", target}});
  }
}

void GrantCover::look(std::span<const std::optional<WallTime>> until, WallTime now, MonoTime mono) {
  SPILLWAY_ASSERT(until.size() == seconds_.size());
  until_.reset();
  for (std::size_t place = 0; place < until.size(); ++place) {
    const auto left = until[place] ? *until[place] - now : WallTime::duration(0);
    seconds_[place].set(std::chrono::duration_cast<seconds>(left).count());
    until_ = std::max(until_, until[place]);
  }
  const bool ends = !until_ || *until_ - now < kAlarm;
  if (!ends) {
    if (std::exchange(told_at_, std::nullopt)) {
      log_.info("grants cover the switches that the broker makes by itself again",
                {{"until", rfc3339_seconds(*until_)}});
    }
    return;
  }
  if (told_at_ && mono - *told_at_ < kToldEvery) return;
  told_at_ = mono;
  if (until_) {
    log_.warning("soon no grant is left for switches that the broker makes by itself",
                 {{"until", rfc3339_seconds(*until_)}});
  } else {
    log_.warning("there is no grant for switches that the broker makes by itself");
  }
}

}  // namespace spillway::broker
