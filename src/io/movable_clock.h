// For tests: the system's time, and what it was set ahead.
#pragma once

#include <atomic>

#include "io/clock.h"

namespace spillway::io {

class MovableClock final : public Clock {
 public:
  WallTime wall_now() override { return system_.wall_now() + milliseconds(ahead_ms.load()); }
  MonoTime mono_now() override { return system_.mono_now() + milliseconds(ahead_ms.load()); }
  std::atomic<std::int64_t> ahead_ms{0};

 private:
  SystemClock system_;
};

}  // namespace spillway::io
