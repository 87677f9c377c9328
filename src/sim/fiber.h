// A function that can be left in the middle and gone on with later, on one thread. So that the
// steps of several workers interleave at every call of the disk, as threads would, but in an order
// that a seed decides.
#pragma once

#include <ucontext.h>

#include <cstddef>
#include <memory>

#include "base/unique_function.h"

namespace spillway::sim {

// Must not be destroyed while its function is in the middle: what stands on its stack would leak.
class Fiber {
 public:
  explicit Fiber(UniqueFunction<void(Fiber&)> function);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // From outside: runs the function from its beginning, or from where it paused, until it pauses or
  // returns. Whether it is still in the middle. After a return the next call begins anew.
  bool resume();
  // From inside.
  void pause();

 private:
  static void enter(unsigned high, unsigned low);

  UniqueFunction<void(Fiber&)> function_;
  std::unique_ptr<std::byte[]> stack_;
  ucontext_t outside_{};
  ucontext_t inside_{};
  bool in_the_middle_ = false;
};

}  // namespace spillway::sim
