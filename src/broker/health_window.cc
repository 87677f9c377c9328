#include "broker/health_window.h"

#include <fmt/format.h>

#include <algorithm>

namespace spillway::broker {
namespace {

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

// The largest of the shares in relation to its limit: 1 is bad.
double badness(const Tally& tally, const SliceLimits& limits) {
  return std::max({share(tally.failed, tally.entries) / limits.failed,
                   share(tally.throttled, tally.entries) / limits.throttled,
                   share(tally.slow, tally.requests) / limits.slow});
}

}  // namespace

Tally& Tally::operator+=(const Tally& other) {
  requests += other.requests;
  slow += other.slow;
  entries += other.entries;
  failed += other.failed;
  throttled += other.throttled;
  return *this;
}

SliceVerdict judge(const Tally& slice, const SliceLimits& limits) {
  if (slice.requests == 0) return SliceVerdict::kEmpty;
  const double how_bad = badness(slice, limits);
  if (how_bad >= 1) return SliceVerdict::kBad;
  return how_bad >= 0.5 ? SliceVerdict::kFair : SliceVerdict::kGood;
}

void HealthWindow::add(const Tally& tally, MonoTime now) {
  advance(now);
  slices_[static_cast<std::size_t>(current_) % slices_.size()] += tally;
}

void HealthWindow::advance(MonoTime now) {
  const std::int64_t number = now.time_since_epoch() / slice_;
  if (number - current_ > kSlices) {
    slices_ = {};
  } else {
    for (std::int64_t next = current_ + 1; next <= number; ++next)
      slices_[static_cast<std::size_t>(next) % slices_.size()] = {};
  }
  current_ = std::max(current_, number);
}

void HealthWindow::clear() { slices_ = {}; }

WindowSummary HealthWindow::summary(const SliceLimits& limits) const {
  WindowSummary summary;
  bool good_so_far = true;
  for (std::int64_t number = current_ - 1; number >= 0 && number >= current_ - kSlices; --number) {
    const Tally& slice = slices_[static_cast<std::size_t>(number) % slices_.size()];
    const auto verdict = judge(slice, limits);
    if (verdict == SliceVerdict::kEmpty) continue;
    if (verdict == SliceVerdict::kBad) {
      ++summary.bad;
      summary.of_bad += slice;
    }
    good_so_far = good_so_far && verdict == SliceVerdict::kGood;
    if (good_so_far) ++summary.good_in_a_row;
  }
  return summary;
}

std::string worst_of(const Tally& tally, const SliceLimits& limits, nanoseconds slow_after) {
  const double failed = share(tally.failed, tally.entries);
  const double throttled = share(tally.throttled, tally.entries);
  const double slow = share(tally.slow, tally.requests);
  const double worst = badness(tally, limits);
  if (failed / limits.failed >= worst)
    return fmt::format("{:.0f} % of the entries failed", failed * 100);
  if (throttled / limits.throttled >= worst)
    return fmt::format("{:.0f} % of the entries were throttled", throttled * 100);
  return fmt::format("{:.0f} % of the requests took longer than {} ms", slow * 100,
                     slow_after / milliseconds(1));
}

}  // namespace spillway::broker
