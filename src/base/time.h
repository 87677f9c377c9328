// Two kinds of time that must not be mixed up.
#pragma once

#include <chrono>
#include <cstdint>

namespace spillway {

// Wall time: milliseconds since 1970-01-01 UTC, as records carry it. It may jump.
using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;

// Monotonic time since an arbitrary start, for deadlines and durations. It never goes back.
struct MonotonicClockTag {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  static constexpr bool is_steady = true;
};
using MonoTime = std::chrono::time_point<MonotonicClockTag, std::chrono::nanoseconds>;

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

inline std::int64_t to_millis(WallTime t) { return t.time_since_epoch().count(); }
inline WallTime from_millis(std::int64_t millis) { return WallTime{milliseconds{millis}}; }

}  // namespace spillway
