#include "auth/rate_limit.h"

#include <algorithm>

namespace spillway::auth {

void RateLimiter::Bucket::refill(double elapsed_s, std::uint64_t per_second) {
  const auto full = static_cast<double>(per_second);
  tokens = std::min(full, tokens + elapsed_s * full);
}

bool RateLimiter::take_request(MonoTime now) {
  const std::lock_guard lock(mutex_);
  // Full at the start; loops read their clocks on their own, and one may be behind another.
  const double elapsed_s =
      begun_ ? std::max(0.0, static_cast<double>((now - refilled_).count()) / 1e9) : 1.0;
  refilled_ = begun_ ? std::max(refilled_, now) : now;
  begun_ = true;
  requests_.refill(elapsed_s, limits_.requests_per_second);
  bytes_.refill(elapsed_s, limits_.bytes_per_second);
  if (limits_.bytes_per_second > 0 && bytes_.tokens <= 0) return false;
  if (limits_.requests_per_second == 0) return true;
  if (requests_.tokens < 1) return false;
  requests_.tokens -= 1;
  return true;
}

void RateLimiter::pay(std::uint64_t bytes) {
  if (limits_.bytes_per_second == 0) return;
  const std::lock_guard lock(mutex_);
  bytes_.tokens -= static_cast<double>(bytes);
}

}  // namespace spillway::auth
