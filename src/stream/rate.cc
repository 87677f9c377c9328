#include "stream/rate.h"

#include <algorithm>

namespace spillway::stream {

namespace {

nanoseconds time_for(const Rate& rate, std::int64_t amount) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  // In two steps: the product of both may be too large.
  return nanoseconds(amount / rate.per_second * kSecond +
                     amount % rate.per_second * kSecond / rate.per_second);
}

}  // namespace

bool Bucket::has(const Rate& rate, std::int64_t amount, MonoTime now) const {
  const auto missing = std::max(full_at_ - now, nanoseconds(0));
  return missing + time_for(rate, std::min(amount, rate.burst)) <= time_for(rate, rate.burst);
}

void Bucket::take(const Rate& rate, std::int64_t amount, MonoTime now) {
  full_at_ = std::max(full_at_, now) + time_for(rate, amount);
}

std::size_t RollingCount::count(nanoseconds period, MonoTime now) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(done_at_, [&](MonoTime at) { return now - at < period; }));
}

void RollingCount::add(nanoseconds period, MonoTime now) {
  while (!done_at_.empty() && now - done_at_.front() >= period) done_at_.pop_front();
  done_at_.push_back(now);
}

}  // namespace spillway::stream
