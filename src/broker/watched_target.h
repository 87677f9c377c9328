// A target with a breaker (health.h) that is told of every put to it, and of canaries: small
// records in a stream of their own, which are written to the target and read back.
//
// What waits for its turn isn't judged: that is in front of this (queued_target.h). What nobody
// waits for any more is.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "broker/health.h"
#include "broker/target.h"
#include "io/event_loop.h"

namespace spillway::broker {

// On the loop's thread. What it is handed outlives it.
class WatchedTarget final : public Target {
 public:
  // Between two looks for a canary that isn't there yet.
  static constexpr nanoseconds kLookAgain = milliseconds(100);

  WatchedTarget(io::EventLoop& loop, Target& target, const HealthSettings& settings,
                std::string canary_stream);
  // Not between the beginning of a put, or canary, and its end: after close() there is none.
  ~WatchedTarget() override;

  // Called at each change of the breaker's state, from within what changed it.
  void on_change(UniqueFunction<void()> changed) { changed_ = std::move(changed); }
  // Every Breaker::kTick: lets the breaker look at its time, and begins a canary that is due.
  void tick();
  const Breaker& breaker() const { return breaker_; }

  LanePacking packing() const override { return target_.packing(); }
  Task<Status> prepare(std::string stream) override;
  Task<Result<client::PutRecordsResult>> put(std::string stream,
                                             std::vector<client::PutEntry> entries) override;
  Task<Result<bool>> holds(std::string stream, client::PutOutcome place) override;
  Task<Status> reaches(std::string stream, client::PutOutcome place) override;
  void close() override;
  const std::string& name() const override { return target_.name(); }
  std::string address() const override { return target_.address(); }

 private:
  void judge(const Breaker::Request& request, const Result<client::PutRecordsResult>& result);
  Task<void> canary();
  Task<void> read_back(client::PutOutcome place);
  Task<void> pause(nanoseconds delay);
  void tell(BreakerState before);

  io::EventLoop& loop_;
  Target& target_;
  const HealthSettings settings_;
  const std::string canary_stream_;
  Breaker breaker_;
  UniqueFunction<void()> changed_;
  std::size_t under_way_ = 0;  // puts
  bool canary_prepared_ = false;
  bool canary_running_ = false;
  const std::unique_ptr<io::Timer> timer_;  // of pause()
  UniqueFunction<void(bool)> paused_;
  bool closed_ = false;
};

}  // namespace spillway::broker
