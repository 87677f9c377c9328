#include "sim/sim_loop.h"

namespace spillway::sim {

class SimLoop::SimTimer final : public io::Timer {
 public:
  explicit SimTimer(SimLoop& loop) : loop_(loop) {}
  ~SimTimer() override { cancel(); }

  void start(nanoseconds delay, UniqueFunction<void()> done) override {
    cancel();
    at_ = loop_.timers_.emplace(loop_.mono_now() + delay, Due{this, std::move(done)});
    set_ = true;
  }
  void cancel() override {
    if (std::exchange(set_, false)) loop_.timers_.erase(at_);
  }
  void over() { set_ = false; }

 private:
  SimLoop& loop_;
  std::multimap<MonoTime, Due>::iterator at_;
  bool set_ = false;
};

void SimLoop::run_posted() {
  while (!posted_.empty()) run_one();
}

bool SimLoop::run_one() {
  if (!posted_.empty()) {
    auto task = std::move(posted_.front());
    posted_.pop_front();
    task();
    return true;
  }
  if (next_timer() > clock_.mono_now()) return false;
  auto first = timers_.extract(timers_.begin());
  if (first.mapped().timer != nullptr) first.mapped().timer->over();
  first.mapped().done();
  return true;
}

MonoTime SimLoop::next_timer() const {
  return timers_.empty() ? MonoTime::max() : timers_.begin()->first;
}

void SimLoop::after(nanoseconds delay, UniqueFunction<void()> done) {
  timers_.emplace(mono_now() + delay, Due{nullptr, std::move(done)});
}

std::unique_ptr<io::Timer> SimLoop::make_timer() { return std::make_unique<SimTimer>(*this); }

Result<std::unique_ptr<io::Listener>> SimLoop::listen(
    const std::string&, bool, UniqueFunction<void(std::unique_ptr<io::ByteStream>)>) {
  return Error{ErrorCode::kUnsupported, "the simulation has no sockets"};
}

void SimLoop::connect(const std::string&,
                      UniqueFunction<void(Result<std::unique_ptr<io::ByteStream>>)> done) {
  post([done = std::move(done)]() mutable {
    done(Error{ErrorCode::kUnsupported, "the simulation has no sockets"});
  });
}

}  // namespace spillway::sim
