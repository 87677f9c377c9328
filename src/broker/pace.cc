#include "broker/pace.h"

#include <algorithm>
#include <utility>

namespace spillway::broker {
namespace {

constexpr double kForgottenPerSecond = 0.01;

double in_seconds(nanoseconds duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

bool Pace::slow(const Accepted& since, double seconds) {
  if (since.puts == 0) return false;
  const double mean = static_cast<double>(since.took.count()) / static_cast<double>(since.puts);
  const double forgotten = best_.value_or(mean) * (1 + kForgottenPerSecond * seconds);
  best_ = std::min(mean, forgotten);
  return mean > std::max(static_cast<double>(kQuick.count()), kSlowTimes * *best_);
}

// From the rate at which it was delivered, if that was lower than the limit.
void Pace::slow_down(double delivering, MonoTime now) {
  if (!rate_) next_ = now;
  const double least = kAhead * arriving_ + kRateMin;
  rate_ = std::max(kSlower * std::min(rate_.value_or(kRateMax), delivering), least);
}

void Pace::look(const Accepted& accepted, MonoTime now) {
  if (!due(now)) return;
  const Accepted since{accepted.bytes - accepted_.bytes, accepted.puts - accepted_.puts,
                       accepted.took - accepted_.took};
  const double seconds = looked_at_ ? in_seconds(now - *looked_at_) : 1;
  const auto taken = static_cast<double>(std::exchange(taken_, 0));
  looked_at_ = now;
  accepted_ = accepted;
  arriving_ += std::min(seconds, 1.0) * (static_cast<double>(since.bytes) / seconds - arriving_);
  if (slow(since, seconds)) return slow_down(taken / seconds, now);
  if (!rate_) return;
  *rate_ *= kFaster;
  // With nobody to yield to there is no limit.
  if (since.puts == 0 || *rate_ > kRateMax) rate_.reset();
}

nanoseconds Pace::take(std::size_t bytes, MonoTime now) {
  taken_ += bytes;
  if (!rate_) return nanoseconds(0);
  const MonoTime turn = std::clamp(next_, now - kTurnKept, now + kWaitMax);
  const double takes = static_cast<double>(bytes) / *rate_ * 1e9;
  next_ = turn + nanoseconds(static_cast<std::int64_t>(takes));
  return std::max(turn - now, nanoseconds(0));
}

nanoseconds Pace::take_spare(std::size_t bytes, MonoTime now) {
  if (rate_ && next_ > now) return next_ - now;
  return take(bytes, now);
}

}  // namespace spillway::broker
