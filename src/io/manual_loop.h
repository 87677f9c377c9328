// For tests: an event loop whose time goes on when it is told to. No sockets. post() may be called
// from any thread, as that of every loop; the rest belongs to the thread that calls run().
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "base/assert.h"
#include "io/event_loop.h"

namespace spillway::io {

class ManualLoop final : public EventLoop {
 public:
  // Runs what was posted, then lets `time` go by, with every timer that is due on the way.
  void run(nanoseconds time = nanoseconds(0)) {
    const MonoTime end = now_ + time;
    run_posted();
    while (!timers_.empty() && timers_.begin()->first <= end) {
      auto first = timers_.extract(timers_.begin());
      now_ = first.key();
      auto done = std::move(first.mapped().done);
      first.mapped().timer->set_ = false;
      done();
      run_posted();
    }
    now_ = end;
  }

  void post(UniqueFunction<void()> task) override {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(task));
  }
  std::unique_ptr<Timer> make_timer() override { return std::make_unique<ManualTimer>(*this); }
  MonoTime mono_now() override { return now_; }
  WallTime wall_now() override {
    return WallTime{} + std::chrono::duration_cast<milliseconds>(now_.time_since_epoch());
  }
  Result<std::unique_ptr<Listener>> listen(
      const std::string&, bool, UniqueFunction<void(std::unique_ptr<ByteStream>)>) override {
    return Error{ErrorCode::kUnsupported, "no sockets"};
  }
  void connect(const std::string&,
               UniqueFunction<void(Result<std::unique_ptr<ByteStream>>)>) override {
    SPILLWAY_ASSERT(false);
  }

 private:
  class ManualTimer;
  struct Due {
    ManualTimer* timer;
    UniqueFunction<void()> done;
  };
  class ManualTimer final : public Timer {
   public:
    explicit ManualTimer(ManualLoop& loop) : loop_(loop) {}
    ~ManualTimer() override { cancel(); }
    void start(nanoseconds delay, UniqueFunction<void()> done) override {
      cancel();
      at_ = loop_.timers_.emplace(loop_.now_ + delay, Due{this, std::move(done)});
      set_ = true;
    }
    void cancel() override {
      if (std::exchange(set_, false)) loop_.timers_.erase(at_);
    }

   private:
    friend class ManualLoop;
    ManualLoop& loop_;
    std::multimap<MonoTime, Due>::iterator at_;
    bool set_ = false;
  };

  void run_posted() {
    while (auto task = take_posted()) task();
  }

  // Empty when there is none.
  UniqueFunction<void()> take_posted() {
    const std::lock_guard lock(mutex_);
    if (posted_.empty()) return nullptr;
    auto task = std::move(posted_.front());
    posted_.pop_front();
    return task;
  }

  MonoTime now_{};
  std::mutex mutex_;
  std::deque<UniqueFunction<void()>> posted_;  // under mutex_
  std::multimap<MonoTime, Due> timers_;
};

}  // namespace spillway::io
