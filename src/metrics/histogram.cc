#include "metrics/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/assert.h"

namespace spillway::metrics {
namespace {

// Durations are counted in units of 32 ns, so that the first octave (32 units, 1.024 µs) is linear
// and every later one has 32 steps too.
constexpr std::uint64_t kUnitBits = 5;

}  // namespace

std::size_t Histogram::bucket_of(nanoseconds duration) {
  constexpr std::uint64_t kSteps = std::uint64_t{1} << kStepBits;
  const auto units =
      static_cast<std::uint64_t>(std::max<std::int64_t>(duration.count(), 0)) >> kUnitBits;
  if (units < kSteps) return static_cast<std::size_t>(units);
  const auto octave = static_cast<std::size_t>(std::bit_width(units)) - 1;  // ≥ kStepBits
  const std::size_t group = octave - kStepBits + 1;
  const std::uint64_t step = (units >> (octave - kStepBits)) - kSteps;
  return std::min((group << kStepBits) + static_cast<std::size_t>(step), kBuckets - 1);
}

nanoseconds Histogram::upper_bound(std::size_t bucket) {
  constexpr std::uint64_t kSteps = std::uint64_t{1} << kStepBits;
  const std::size_t group = bucket >> kStepBits;
  const std::uint64_t step = bucket & (kSteps - 1);
  const std::uint64_t units = group == 0 ? step + 1 : (kSteps + step + 1) << (group - 1);
  return nanoseconds{static_cast<std::int64_t>(units << kUnitBits) - 1};
}

void Histogram::record(nanoseconds duration) {
  const auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(duration.count(), 0));
  buckets_[bucket_of(duration)].fetch_add(1, std::memory_order_relaxed);
  sum_ns_.fetch_add(ns, std::memory_order_relaxed);
  auto seen = max_ns_.load(std::memory_order_relaxed);
  while (seen < ns && !max_ns_.compare_exchange_weak(seen, ns, std::memory_order_relaxed)) {
  }
}

std::uint64_t Histogram::count() const {
  std::uint64_t total = 0;
  for (const auto& bucket : buckets_) total += bucket.load(std::memory_order_relaxed);
  return total;
}

nanoseconds Histogram::sum() const {
  return nanoseconds{static_cast<std::int64_t>(sum_ns_.load(std::memory_order_relaxed))};
}

nanoseconds Histogram::max() const {
  return nanoseconds{static_cast<std::int64_t>(max_ns_.load(std::memory_order_relaxed))};
}

nanoseconds Histogram::quantile(double q) const {
  SPILLWAY_ASSERT(q >= 0 && q <= 1);
  const std::uint64_t total = count();
  if (total == 0) return nanoseconds{0};
  const auto wanted = std::max<std::uint64_t>(
      1, static_cast<std::uint64_t>(std::llround(q * static_cast<double>(total))));
  std::uint64_t seen = 0;
  for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
    seen += buckets_[bucket].load(std::memory_order_relaxed);
    if (seen >= wanted) return std::min(upper_bound(bucket), max());
  }
  return max();
}

std::uint64_t Histogram::count_up_to(nanoseconds bound) const {
  if (bound < nanoseconds{0}) return 0;
  const std::size_t last = bucket_of(bound);
  std::uint64_t total = 0;
  for (std::size_t bucket = 0; bucket <= last; ++bucket)
    total += buckets_[bucket].load(std::memory_order_relaxed);
  return total;
}

void Histogram::merge(const Histogram& other) {
  for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
    const auto more = other.buckets_[bucket].load(std::memory_order_relaxed);
    if (more != 0) buckets_[bucket].fetch_add(more, std::memory_order_relaxed);
  }
  sum_ns_.fetch_add(other.sum_ns_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  const auto ns = other.max_ns_.load(std::memory_order_relaxed);
  auto seen = max_ns_.load(std::memory_order_relaxed);
  while (seen < ns && !max_ns_.compare_exchange_weak(seen, ns, std::memory_order_relaxed)) {
  }
}

}  // namespace spillway::metrics
