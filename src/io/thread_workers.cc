#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "io/worker.h"

namespace spillway::io {

namespace {

constexpr int kBackgroundNice = 10;

class ThreadWorker final : public Worker {
 public:
  ThreadWorker(WorkerOptions options, UniqueFunction<Step()> step)
      : options_(std::move(options)), step_(std::move(step)), thread_([this] { run(); }) {}

  ~ThreadWorker() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }

  void wake() override {
    {
      const std::lock_guard lock(mutex_);
      if (std::exchange(woken_, true)) return;
    }
    changed_.notify_one();
  }

 private:
  void run() {
    set_up_thread();
    while (wait()) {
      while (step_() == Step::kAgain)
        if (stopping()) return;
    }
  }

  // Priorities are a courtesy to others; a system that refuses them loses nothing else.
  void set_up_thread() const {
    ::pthread_setname_np(::pthread_self(), options_.name.substr(0, 15).c_str());
    if (options_.priority != Priority::kBackground) return;
    const sched_param parameters{};
    ::pthread_setschedparam(::pthread_self(), SCHED_BATCH, &parameters);
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
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace

std::unique_ptr<Worker> ThreadWorkers::start(WorkerOptions options, UniqueFunction<Step()> step) {
  return std::make_unique<ThreadWorker>(std::move(options), std::move(step));
}

}  // namespace spillway::io
