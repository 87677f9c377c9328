// Rates and how much of them is used: values, with the time handed in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "base/time.h"

namespace spillway::stream {

// So much a second; `burst` is what may go at once after a pause. Of calls, records or bytes; all
// at least 1, and below 2^33.
struct Rate {
  std::int64_t per_second = 0;
  std::int64_t burst = 0;
};

// How much of one rate is used (a token bucket, stored as the time at which it will be full again,
// so that an unused one holds no information and may be forgotten). Not thread-safe.
//
// What is larger than the burst may go when the bucket is full, and is owed: nothing else goes
// until so much time has passed as it takes at that rate. So a record of 10 MiB goes through a
// shard of 1 MiB/s, once every 10 seconds.
class Bucket {
 public:
  bool has(const Rate& rate, std::int64_t amount, MonoTime now) const;
  // Whether it has so much, or not.
  void take(const Rate& rate, std::int64_t amount, MonoTime now);
  // It is as if it had never been used.
  bool unused(MonoTime now) const { return full_at_ <= now; }

 private:
  MonoTime full_at_{};
};

// How often something was done in the last `period`: for quotas of a few in a day.
class RollingCount {
 public:
  std::size_t count(nanoseconds period, MonoTime now) const;
  void add(nanoseconds period, MonoTime now);

 private:
  std::deque<MonoTime> done_at_;  // those of the period, when the last was added
};

}  // namespace spillway::stream
