#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "base/assert.h"
#include "io/worker.h"

namespace spillway::io {

namespace {

constexpr int kBackgroundNice = 10;

class ThreadWorker final : public Worker {
 public:
  ThreadWorker(WorkerOptions options, UniqueFunction<Step()> step)
      : options_(std::move(options)), step_(std::move(step)) {
    if (options_.idles) idle_thread_ = std::thread([this] { run_idly(); });
    thread_ = std::thread([this] { run(); });
  }

  ~ThreadWorker() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
    if (!idle_thread_.joinable()) return;
    {
      const std::lock_guard lock(mutex_);
      idling_ends_ = true;
    }
    changed_.notify_all();
    idle_thread_.join();
  }

  void wake() override {
    {
      const std::lock_guard lock(mutex_);
      if (std::exchange(woken_, true)) return;
    }
    changed_.notify_all();
  }

 private:
  void run() {
    set_up_thread(options_.priority);
    while (wait()) {
      for (Step last = step_(); last != Step::kWait;) {
        if (stopping()) return;
        last = last == Step::kAgain ? step_() : step_idly();
      }
    }
  }

  // Has the other thread do it, and waits for that.
  Step step_idly() {
    SPILLWAY_ASSERT(options_.idles);
    std::unique_lock lock(mutex_);
    idle_step_.reset();
    idle_step_due_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return idle_step_.has_value(); });
    return *idle_step_;
  }
  void run_idly() {
    set_up_thread(Priority::kBackground);
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return idle_step_due_ || idling_ends_; });
      if (!idle_step_due_) return;
      idle_step_due_ = false;
      lock.unlock();
      const Step step = step_();
      lock.lock();
      idle_step_ = step;
      changed_.notify_all();
    }
  }

  // Priorities are a courtesy to others; a system that refuses them loses nothing else.
  void set_up_thread(Priority priority) const {
    ::pthread_setname_np(::pthread_self(), options_.name.substr(0, 15).c_str());
    if (priority == Priority::kNormal) return;
    const sched_param parameters{};
    ::pthread_setschedparam(::pthread_self(), SCHED_BATCH, &parameters);
    if (priority == Priority::kBackground)
      ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kBackgroundNice);
  }

  // Until a wake or the interval; false at the end.
  bool wait() {
    std::unique_lock lock(mutex_);
    const auto due = [this] { return woken_ || stopping_; };
    if (options_.interval > nanoseconds(0)) {
      changed_.wait_for(lock, options_.interval, due);
    } else {
      changed_.wait(lock, due);
    }
    woken_ = false;
    return !stopping_;
  }

  bool stopping() {
    const std::lock_guard lock(mutex_);
    return stopping_;
  }

  const WorkerOptions options_;
  UniqueFunction<Step()> step_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;
  bool stopping_ = false;
  bool idle_step_due_ = false;
  bool idling_ends_ = false;       // once the other thread has ended, which may ask for a step
  std::optional<Step> idle_step_;  // what the last one said
  std::thread idle_thread_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Worker> ThreadWorkers::start(WorkerOptions options, UniqueFunction<Step()> step) {
  return std::make_unique<ThreadWorker>(std::move(options), std::move(step));
}

}  // namespace spillway::io
