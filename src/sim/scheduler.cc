#include "sim/scheduler.h"

#include <algorithm>

#include "base/assert.h"

namespace spillway::sim {

class Scheduler::SimWorker final : public io::Worker {
 public:
  SimWorker(Scheduler& scheduler, io::WorkerOptions options, UniqueFunction<io::Step()> step)
      : scheduler_(scheduler),
        options_(std::move(options)),
        step_(std::move(step)),
        fiber_([this](Fiber&) {
          auto last = step_();
          while (last == io::Step::kAgainIdly) last = step_();
          again_ = last == io::Step::kAgain;
        }) {
    reset_interval();
  }
  ~SimWorker() override {
    SPILLWAY_ASSERT(scheduler_.running_ != this);
    while (in_step_) run();
    scheduler_.forget(*this);
  }
  void wake() override { woken_ = true; }

  bool has_work() const {
    return in_step_ || woken_ || again_ ||
           (options_.interval.count() > 0 && scheduler_.clock_.mono_now() >= due_);
  }
  void run() {
    if (!in_step_) woken_ = again_ = false;
    SimWorker* const before = std::exchange(scheduler_.running_, this);
    in_step_ = fiber_.resume();
    scheduler_.running_ = before;
    if (!in_step_) reset_interval();
  }
  void pause() { fiber_.pause(); }
  std::string_view name() const { return options_.name; }
  MonoTime due() const { return due_; }

 private:
  void reset_interval() {
    due_ = options_.interval.count() > 0 ? scheduler_.clock_.mono_now() + options_.interval
                                         : MonoTime::max();
  }

  Scheduler& scheduler_;
  const io::WorkerOptions options_;
  UniqueFunction<io::Step()> step_;
  Fiber fiber_;
  bool in_step_ = false;
  bool woken_ = false;
  bool again_ = false;
  MonoTime due_;
};

Scheduler::~Scheduler() { SPILLWAY_ASSERT(workers_.empty()); }

std::unique_ptr<io::Worker> Scheduler::start(io::WorkerOptions options,
                                             UniqueFunction<io::Step()> step) {
  auto worker = std::make_unique<SimWorker>(*this, std::move(options), std::move(step));
  workers_.push_back(worker.get());
  return worker;
}

void Scheduler::forget(SimWorker& worker) { std::erase(workers_, &worker); }

bool Scheduler::run_one() {
  SPILLWAY_ASSERT(running_ == nullptr);
  std::size_t ready = 0;
  for (const auto* worker : workers_) ready += worker->has_work() ? 1 : 0;
  if (ready == 0) return false;
  std::uint64_t pick = random_.below(ready);
  for (auto* worker : workers_) {
    if (!worker->has_work() || pick-- > 0) continue;
    history_.add(worker->name());
    clock_.advance(nanoseconds(random_.between(1, 300'000)));
    worker->run();
    return true;
  }
  return false;
}

void Scheduler::run_until_idle() {
  while (run_one()) {
  }
}

MonoTime Scheduler::next_interval() const {
  MonoTime next = MonoTime::max();
  for (const auto* worker : workers_) next = std::min(next, worker->due());
  return next;
}

void Scheduler::sleep_until_next_interval() {
  const MonoTime next = next_interval();
  if (next != MonoTime::max() && next > clock_.mono_now()) clock_.advance(next - clock_.mono_now());
}

void Scheduler::pause() {
  if (running_ != nullptr && random_.one_in(2)) running_->pause();
}

std::string_view Scheduler::running() const {
  return running_ == nullptr ? "main" : running_->name();
}

}  // namespace spillway::sim
