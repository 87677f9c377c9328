#pragma once

#include "base/time.h"

namespace spillway::io {

// Where time comes from. Safe from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime wall_now() = 0;
  virtual MonoTime mono_now() = 0;
};

class SystemClock final : public Clock {
 public:
  WallTime wall_now() override;
  MonoTime mono_now() override;
};

}  // namespace spillway::io
