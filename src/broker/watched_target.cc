#include "broker/watched_target.h"

#include <utility>

#include "base/assert.h"
#include "broker/queued_target.h"

namespace spillway::broker {
namespace {

// What a record is refused for that no target would take says nothing of this one.
Answer answer_of(const client::PutRecordsResult& result, std::string& detail) {
  Answer answer;
  for (const auto& outcome : result.outcomes) {
    if (outcome.ok() || refused_for_good(outcome)) continue;
    ++(throttled(outcome) ? answer.throttled : answer.failed);
    if (detail.empty()) detail = outcome.error_code + ": " + outcome.error_message;
  }
  answer.detail = detail;
  return answer;
}

}  // namespace

WatchedTarget::WatchedTarget(io::EventLoop& loop, Target& target, const HealthSettings& settings,
                             std::string canary_stream)
    : loop_(loop),
      target_(target),
      settings_(settings),
      canary_stream_(std::move(canary_stream)),
      breaker_(settings, loop.mono_now()),
      timer_(loop.make_timer()) {}

WatchedTarget::~WatchedTarget() { SPILLWAY_ASSERT(under_way_ == 0 && !canary_running_); }

void WatchedTarget::tick() {
  if (closed_) return;
  const MonoTime now = loop_.mono_now();
  const auto before = breaker_.state();
  breaker_.advance(now);
  const auto due = breaker_.next_canary();
  if (!canary_running_ && due && *due <= now) {
    canary_running_ = true;
    start(canary(), [this] { canary_running_ = false; });
  }
  tell(before);
}

Task<Status> WatchedTarget::prepare(std::string stream) {
  auto prepared = co_await target_.prepare(std::move(stream));
  co_return prepared;
}

Task<Result<client::PutRecordsResult>> WatchedTarget::put(std::string stream,
                                                          std::vector<client::PutEntry> entries) {
  ++under_way_;
  const auto request = breaker_.sent(static_cast<std::uint32_t>(entries.size()), loop_.mono_now());
  auto result = co_await target_.put(std::move(stream), std::move(entries));
  judge(request, result);
  --under_way_;
  co_return result;
}

void WatchedTarget::judge(const Breaker::Request& request,
                          const Result<client::PutRecordsResult>& result) {
  const MonoTime now = loop_.mono_now();
  const auto before = breaker_.state();
  if (result.ok()) {
    std::string detail;
    breaker_.answered(request, answer_of(*result, detail), now);
    return tell(before);
  }
  const auto& error = result.error();
  switch (error.code) {
    case ErrorCode::kIo:
      breaker_.failed(request, error.message, now);
      break;
    case ErrorCode::kClosed:    // by us
    case ErrorCode::kInvalid:   // of what was sent
    case ErrorCode::kNotFound:  // the stream has to be prepared
      breaker_.given_up(request, now);
      break;
    case ErrorCode::kThrottled:
      breaker_.answered(request, {request.entries, 0, error.message}, now);
      break;
    default:
      breaker_.answered(request, {0, request.entries, error.message}, now);
  }
  tell(before);
}

Task<void> WatchedTarget::canary() {
  if (!canary_prepared_) {
    const auto prepared = co_await target_.prepare(canary_stream_);
    if (closed_) co_return;
    if (!prepared.ok()) {
      // A stream that takes its time to be made says nothing of the target.
      if (prepared.error().code == ErrorCode::kThrottled) co_return;
      judge(breaker_.canary_sent(loop_.mono_now()), prepared.error());
      co_return;
    }
    canary_prepared_ = true;
  }
  std::vector<client::PutEntry> entries(1);
  entries.front() = {"canary", "canary", std::nullopt, std::nullopt};
  const auto request = breaker_.canary_sent(loop_.mono_now());
  auto result = co_await target_.put(canary_stream_, std::move(entries));
  if (!result.ok() && result.error().code == ErrorCode::kNotFound) canary_prepared_ = false;
  judge(request, result);
  if (closed_ || !result.ok() || result->failed > 0) co_return;
  auto reading = read_back(result->outcomes.front());
  co_await std::move(reading);
}

Task<void> WatchedTarget::read_back(client::PutOutcome place) {
  const MonoTime until = loop_.mono_now() + settings_.request_deadline;
  while (true) {
    const auto there = co_await target_.holds(canary_stream_, place);
    if (closed_) co_return;
    const bool again = there.ok() && !*there && loop_.mono_now() + kLookAgain < until;
    if (!again) {
      const auto before = breaker_.state();
      breaker_.canary_read(!there.ok() ? CanaryReading::kFailed
                           : *there    ? CanaryReading::kRead
                                       : CanaryReading::kBehind,
                           there.ok() ? "" : there.error().message, loop_.mono_now());
      tell(before);
      co_return;
    }
    co_await pause(kLookAgain);
    if (closed_) co_return;
  }
}

Task<Result<bool>> WatchedTarget::holds(std::string stream, client::PutOutcome place) {
  auto there = co_await target_.holds(std::move(stream), std::move(place));
  co_return there;
}

Task<Status> WatchedTarget::reaches(std::string stream, client::PutOutcome place) {
  auto reached = co_await target_.reaches(std::move(stream), std::move(place));
  co_return reached;
}

Task<void> WatchedTarget::pause(nanoseconds delay) {
  auto over = callback<bool>([this, delay](UniqueFunction<void(bool)> done) {
    paused_ = std::move(done);
    timer_->start(delay, [this] { std::exchange(paused_, nullptr)(true); });
  });
  co_await over;
}

void WatchedTarget::close() {
  closed_ = true;
  target_.close();
  timer_->cancel();
  if (paused_) std::exchange(paused_, nullptr)(true);
}

void WatchedTarget::tell(BreakerState before) {
  if (breaker_.state() != before && changed_ && !closed_) changed_();
}

}  // namespace spillway::broker
