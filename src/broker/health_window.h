// What the requests to a target came to lately, in ten slices of time of equal length.
//
// A slice is judged by itself, and the target by how many of its slices were bad: a burst of
// failures, however dense, makes one or two of them bad, and a target that is failing makes all of
// them so. Between good and bad lies a band that is neither, so that what was bad has to become
// clearly better before it counts as good.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "base/time.h"

namespace spillway::broker {

// Shares from which on a slice is bad; below half of all of them it is good.
struct SliceLimits {
  double failed = 0.2;     // of the entries: for whatever reason but throttling
  double throttled = 0.5;  // of the entries
  double slow = 0.1;       // of the requests; so 0.1 says that their p90 is slow
};

struct Tally {
  std::uint64_t requests = 0;
  std::uint64_t slow = 0;  // of the requests
  std::uint64_t entries = 0;
  std::uint64_t failed = 0;     // of the entries
  std::uint64_t throttled = 0;  // of the entries

  Tally& operator+=(const Tally& other);
};

enum class SliceVerdict { kEmpty, kGood, kFair, kBad };
SliceVerdict judge(const Tally& slice, const SliceLimits& limits);

// Of the slices that have ended.
struct WindowSummary {
  std::uint32_t bad = 0;
  std::uint32_t good_in_a_row = 0;  // the last ones; empty ones don't count
  Tally of_bad;                     // of the bad ones together
};

// A value; times must not go back.
class HealthWindow {
 public:
  static constexpr std::uint32_t kSlices = 10;

  // `length`: of all slices together, at least 10 ns.
  explicit HealthWindow(nanoseconds length) : slice_(length / kSlices) {}

  void add(const Tally& tally, MonoTime now);
  void advance(MonoTime now);
  // Forgets all that was added, what the current slice has too.
  void clear();

  WindowSummary summary(const SliceLimits& limits) const;
  nanoseconds slice() const { return slice_; }

 private:
  nanoseconds slice_;
  std::int64_t current_ = 0;  // its number; they are counted from the clock's zero
  std::array<Tally, kSlices + 1> slices_{};
};

// "43 % of the entries failed": what is worst about `tally`, in relation to its limit.
std::string worst_of(const Tally& tally, const SliceLimits& limits, nanoseconds slow_after);

}  // namespace spillway::broker
