#include "broker/recent_rate.h"

namespace spillway::broker {

void RecentRate::look(std::uint64_t count, MonoTime now) {
  if (!samples_.empty() && count < samples_.back().count) samples_.clear();
  samples_.push_back({now, count});
  while (samples_.size() > 1 && now - samples_[1].at >= kOver) samples_.pop_front();
}

std::uint64_t RecentRate::grown() const {
  return samples_.empty() ? 0 : samples_.back().count - samples_.front().count;
}

nanoseconds RecentRate::over() const {
  return samples_.empty() ? nanoseconds(0) : samples_.back().at - samples_.front().at;
}

double RecentRate::per_second() const {
  const auto in_seconds = std::chrono::duration<double>(over()).count();
  return in_seconds > 0 ? static_cast<double>(grown()) / in_seconds : 0;
}

}  // namespace spillway::broker
