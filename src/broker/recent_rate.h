// How fast a count grew in the last minute.
#pragma once

#include <cstdint>
#include <deque>

#include "base/time.h"

namespace spillway::broker {

// On one thread.
class RecentRate {
 public:
  static constexpr nanoseconds kOver = seconds(60);

  // Every second or so. A count that has fallen is another one, and begins anew.
  void look(std::uint64_t count, MonoTime now);

  // As of the last look: by how much it grew, within what time: kOver and up to one look more, or
  // since the first look. Both are 0 before the second one.
  std::uint64_t grown() const;
  nanoseconds over() const;
  double per_second() const;

 private:
  struct Sample {
    MonoTime at;
    std::uint64_t count;
  };
  std::deque<Sample> samples_;  // the first is the last one that is older than kOver
};

}  // namespace spillway::broker
