// A target with a breaker (health.h) that is told of every call to it, and of canaries: small
// records in a stream of their own, which are written to the target and read back.
//
// No more is under way at a time than a target takes well within a deadline: a backlog would make
// it slow, and be taken for a fault of it. What waits for its turn isn't judged.
//
// Callers don't wait longer than they want: abandon() ends their calls for them. Such a call goes
// on until the target answers or its deadline is over, counts for the breaker, and keeps others
// from being sent meanwhile, since it might overtake them.
#pragma once

#include <list>
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
  // Puts under way, and bytes of their data, unless it is one put.
  static constexpr std::size_t kUnderWayMax = 64;
  static constexpr std::size_t kUnderWayBytesMax = std::size_t{4} << 20;

  WatchedTarget(io::EventLoop& loop, Target& target, const HealthSettings& settings,
                std::string canary_stream);
  // Not between the beginning of a call, or canary, and its end: after close() there is none.
  ~WatchedTarget() override;

  // Called at each change of the breaker's state, from within what changed it.
  void on_change(UniqueFunction<void()> changed) { changed_ = std::move(changed); }
  // Every Breaker::kTick: lets the breaker look at its time, and begins a canary that is due.
  void tick();
  const Breaker& breaker() const { return breaker_; }
  // Whether one more request may be sent.
  bool may_send() const { return abandoned_ == 0 && breaker_.may_send(); }
  // Whether a put waits for its turn.
  bool waiting() const { return !queued_.empty(); }
  // Ends puts and prepares with kClosed for those who wait for them, from within.
  void abandon();

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
  using PutResult = Result<client::PutRecordsResult>;
  struct Call {
    std::string stream;
    std::vector<client::PutEntry> entries;
    std::size_t bytes = 0;
    UniqueFunction<void(PutResult)> done;  // null: nobody waits for it
  };
  using Prepared = UniqueFunction<void(Status)>;

  void send_next();
  Task<PutResult> send(std::string stream, std::vector<client::PutEntry> entries);
  void judge(const Breaker::Request& request, const PutResult& result);
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
  std::list<Call> queued_;  // wait for their turn
  std::list<Call> under_way_;
  std::size_t under_way_bytes_ = 0;
  std::list<Prepared> preparing_;  // null: nobody waits for it
  std::size_t abandoned_ = 0;      // of those under way, that nobody waits for
  bool canary_prepared_ = false;
  bool canary_running_ = false;
  const std::unique_ptr<io::Timer> timer_;  // of pause()
  UniqueFunction<void(bool)> paused_;
  bool closed_ = false;
};

}  // namespace spillway::broker
