#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "base/time.h"

namespace spillway::metrics {

// Counts of durations in log-linear buckets, as HdrHistogram has them: 1 µs to 1 hour, each octave
// in 32 steps, so that any quantile is within 3.2 %. Fixed memory (8 KiB); record() from any
// thread.
class Histogram {
 public:
  void record(nanoseconds duration);
  std::uint64_t count() const;
  nanoseconds sum() const;
  nanoseconds max() const;
  // The upper bound of the bucket that holds quantile q of 0 … 1, at most max(); zero when nothing
  // was recorded.
  nanoseconds quantile(double q) const;
  // How many were at most `bound` (to the bucket).
  std::uint64_t count_up_to(nanoseconds bound) const;
  // Adds all of `other`'s counts.
  void merge(const Histogram& other);

 private:
  static constexpr std::size_t kStepBits = 5;
  static constexpr std::size_t kBuckets = std::size_t{33} << kStepBits;
  static std::size_t bucket_of(nanoseconds duration);
  static nanoseconds upper_bound(std::size_t bucket);

  std::array<std::atomic<std::uint64_t>, kBuckets> buckets_{};
  std::atomic<std::uint64_t> sum_ns_{0};
  std::atomic<std::uint64_t> max_ns_{0};
};

}  // namespace spillway::metrics
