#include "broker/concurrency.h"

#include <algorithm>

#include "base/assert.h"

namespace spillway::broker {

Concurrency::Request Concurrency::sent(MonoTime now) {
  ++under_way_;
  if (under_way_ >= limit()) reached_ = true;
  return {now};
}

void Concurrency::answered(const Request& request, const Entries& entries, MonoTime now) {
  ended();
  ++answers_;
  took_ += now - request.sent;
  entries_ += entries.all;
  throttled_ += entries.throttled;
  const std::uint32_t round = std::max(kAnswersMin, static_cast<std::uint32_t>(limit_));
  // What was sent before the last change shows nothing of it.
  if (answers_ >= round && request.sent >= round_began_) judge(now);
}

void Concurrency::failed(MonoTime now) {
  ended();
  limit_ = std::min(limit_, static_cast<double>(kFirst));
  begin_round(now);
}

void Concurrency::ended() {
  SPILLWAY_ASSERT(under_way_ > 0);
  --under_way_;
}

void Concurrency::begin_round(MonoTime now) {
  round_began_ = now;
  answers_ = 0;
  took_ = nanoseconds(0);
  entries_ = throttled_ = 0;
  reached_ = under_way_ >= limit();
}

void Concurrency::judge(MonoTime now) {
  const double mean = static_cast<double>(took_.count()) / answers_;
  const double since = std::chrono::duration<double>(now - best_at_).count();
  best_ = std::min(mean, best_.value_or(mean) * (1 + kForgotten * since));
  best_at_ = now;
  const double quick = std::max(*best_, static_cast<double>(kQuick.count()));
  const double gradient = std::clamp(kSlowTimes * quick / mean, 0.5, 1.0);
  double next = limit_;
  if (4 * throttled_ > entries_) {
    next *= kThrottled;
  } else if (reached_) {
    next = next * gradient + static_cast<double>(kMore);
  }
  limit_ = std::clamp(next, 1.0, static_cast<double>(kMax));
  begin_round(now);
}

}  // namespace spillway::broker
