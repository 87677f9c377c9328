#include "io/clock.h"

namespace spillway::io {

WallTime SystemClock::wall_now() {
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

MonoTime SystemClock::mono_now() {
  return MonoTime{std::chrono::steady_clock::now().time_since_epoch()};
}

}  // namespace spillway::io
