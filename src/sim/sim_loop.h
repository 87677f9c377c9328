// An event loop on simulated time. What was posted runs first, in its order, then the timers that
// are due. No sockets: what a process says to another one goes through sim/region_link.h.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "io/event_loop.h"
#include "sim/scheduler.h"

namespace spillway::sim {

// One thread, as all of a simulation. The clock outlives it, and it all of its timers.
class SimLoop final : public io::EventLoop {
 public:
  explicit SimLoop(SimClock& clock) : clock_(clock) {}

  // Runs one thing that is due. False where there is none.
  bool run_one();
  // Until nothing is posted; no timers.
  void run_posted();
  // When the next timer is due; MonoTime::max(): there is none.
  MonoTime next_timer() const;
  // Calls `done` after `delay`, whatever has ended by then: of the world outside of processes.
  void after(nanoseconds delay, UniqueFunction<void()> done);

  void post(UniqueFunction<void()> task) override { posted_.push_back(std::move(task)); }
  std::unique_ptr<io::Timer> make_timer() override;
  MonoTime mono_now() override { return clock_.mono_now(); }
  WallTime wall_now() override { return clock_.wall_now(); }
  Result<std::unique_ptr<io::Listener>> listen(
      const std::string& address, bool shared,
      UniqueFunction<void(std::unique_ptr<io::ByteStream>)> accepted) override;
  void connect(const std::string& address,
               UniqueFunction<void(Result<std::unique_ptr<io::ByteStream>>)> done) override;

 private:
  class SimTimer;
  struct Due {
    SimTimer* timer;  // null: nobody's
    UniqueFunction<void()> done;
  };

  SimClock& clock_;
  std::deque<UniqueFunction<void()>> posted_;
  std::multimap<MonoTime, Due> timers_;
};

}  // namespace spillway::sim
