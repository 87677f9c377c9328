// A delay that doubles from one try to the next, each spread at random: between half of it and all.
#pragma once

#include <algorithm>
#include <utility>

#include "base/random.h"
#include "base/time.h"

namespace spillway::broker {

class Backoff {
 public:
  static constexpr nanoseconds kFirst = milliseconds(50);
  static constexpr nanoseconds kMax = seconds(1);

  nanoseconds next(Random& random) {
    const auto delay = std::exchange(delay_, std::min(2 * delay_, kMax));
    return nanoseconds(random.between(delay.count() / 2, delay.count()));
  }
  // The last try was not in vain.
  void reset() { delay_ = kFirst; }

 private:
  nanoseconds delay_ = kFirst;
};

}  // namespace spillway::broker
