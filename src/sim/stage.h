// The time of a simulation of several processes, and all that happens in it: their workers, and
// their loop, which they share. Every choice is the seed's.
#pragma once

#include <algorithm>

#include "base/random.h"
#include "sim/history.h"
#include "sim/scheduler.h"
#include "sim/sim_loop.h"

namespace spillway::sim {

struct Stage {
  explicit Stage(Random seeded) : random(seeded) {}

  // Something that is ready, or else time goes by until something is due. Not from within what it
  // runs.
  void step() {
    const bool loop_first = random.one_in(2);
    if (loop_first && loop.run_one()) return;
    if (scheduler.run_one()) return;
    if (!loop_first && loop.run_one()) return;
    const MonoTime next = std::min(loop.next_timer(), scheduler.next_interval());
    if (next > clock.mono_now()) clock.advance(next - clock.mono_now());
  }
  // Whether `done()` was true within the time.
  template <typename Done>
  bool run_until(nanoseconds at_most, Done done) {
    const MonoTime end = clock.mono_now() + at_most;
    while (!done()) {
      if (clock.mono_now() >= end) return false;
      step();
    }
    return true;
  }

  Random random;
  History history;
  SimClock clock;
  Scheduler scheduler{random.fork(), clock, history};
  SimLoop loop{clock};
};

}  // namespace spillway::sim
