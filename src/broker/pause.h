// One wait of a coroutine: for a while, or until somebody ends it.
#pragma once

#include <memory>
#include <utility>

#include "base/task.h"
#include "io/event_loop.h"

namespace spillway::broker {

// On the loop's thread. Not destroyed during a wait.
class Pause {
 public:
  explicit Pause(io::EventLoop& loop) : timer_(loop.make_timer()) {}

  // Until `delay` is over (zero: without end), or end(). One at a time.
  Task<void> wait(nanoseconds delay) {
    auto over = callback<bool>([this, delay](UniqueFunction<void(bool)> done) {
      waiting_ = std::move(done);
      if (delay > nanoseconds(0)) timer_->start(delay, [this] { end(); });
    });
    co_await over;
  }
  // From within, where somebody waits.
  void end() {
    timer_->cancel();
    if (waiting_) std::exchange(waiting_, nullptr)(true);
  }

 private:
  const std::unique_ptr<io::Timer> timer_;
  UniqueFunction<void(bool)> waiting_;
};

}  // namespace spillway::broker
