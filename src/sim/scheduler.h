// Time and workers of a simulation: one thread, and every choice of order is the seed's.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "io/clock.h"
#include "io/entropy.h"
#include "io/worker.h"
#include "sim/fiber.h"
#include "sim/history.h"

namespace spillway::sim {

// Stands still but for advance() and step_wall().
class SimClock final : public io::Clock {
 public:
  WallTime wall_now() override { return std::chrono::floor<milliseconds>(wall_); }
  MonoTime mono_now() override { return mono_; }

  // The latest that it has ever been: what expired then may be gone, though the time went back.
  WallTime latest_wall() const { return std::chrono::floor<milliseconds>(latest_wall_); }

  void advance(nanoseconds by) {
    mono_ += by;
    step_wall(by);
  }
  // As an operator, or NTP, sets the time; by may be negative.
  void step_wall(nanoseconds by) {
    wall_ += by;
    latest_wall_ = std::max(latest_wall_, wall_);
  }

 private:
  std::chrono::sys_time<nanoseconds> wall_{seconds(1'600'000'000)};
  std::chrono::sys_time<nanoseconds> latest_wall_ = wall_;
  MonoTime mono_{seconds(1000)};
};

class SeededEntropy final : public io::Entropy {
 public:
  explicit SeededEntropy(Random random) : random_(random) {}
  void fill(std::span<unsigned char> out) override {
    for (auto& byte : out) byte = static_cast<unsigned char>(random_.next());
  }

 private:
  Random random_;
};

// Runs the workers' steps as fibers. A step runs until it ends or pause()s, which the simulated
// disk does around every call; then any worker that has something to do may be next.
class Scheduler final : public io::Workers {
 public:
  Scheduler(Random random, SimClock& clock, History& history)
      : random_(random), clock_(clock), history_(history) {}
  ~Scheduler() override;

  std::unique_ptr<io::Worker> start(io::WorkerOptions options,
                                    UniqueFunction<io::Step()> step) override;

  // Lets a worker that the seed picks go on for a bit. False when none has anything to do now.
  bool run_one();
  // Until none has anything to do.
  void run_until_idle();
  // Lets time pass up to the next interval of a worker.
  void sleep_until_next_interval();
  // When that is; MonoTime::max(): none has one.
  MonoTime next_interval() const;

  // Within a step: lets others go first. Elsewhere it does nothing.
  void pause();
  // Of the worker whose step is under way; "main" outside of steps.
  std::string_view running() const;

 private:
  class SimWorker;
  void forget(SimWorker& worker);

  Random random_;
  SimClock& clock_;
  History& history_;
  std::vector<SimWorker*> workers_;
  SimWorker* running_ = nullptr;
};

}  // namespace spillway::sim
