#include "broker/telemetry_sender.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace spillway::broker {

TelemetrySender::TelemetrySender(io::EventLoop& loop, TelemetryTarget& target,
                                 TelemetryBuffer& buffer, io::EventLog& log,
                                 metrics::Registry& metrics)
    : loop_(loop),
      target_(target),
      buffer_(buffer),
      log_(log),
      records_(metrics.counter("spillway_broker_put_records_total",
                               "Records that the target acknowledged")),
      bytes_(metrics.counter("spillway_broker_put_bytes_total",
                             "Data of the records that the target acknowledged, in bytes")),
      failures_(metrics.counter("spillway_broker_put_failures_total",
                                "Puts that failed, in whole or in part, and were repeated")),
      put_seconds_(metrics.histogram("spillway_broker_put_seconds",
                                     "From sending a PutRecords to its acknowledgement")),
      target_up_(metrics.gauge("spillway_broker_target_up",
                               "1 while the target takes records, 0 while it doesn't")),
      timer_(loop.make_timer()),
      deadline_(loop.make_timer()),
      status_(Error{ErrorCode::kThrottled, "the target was not reached yet"}) {}

TelemetrySender::~TelemetrySender() { SPILLWAY_ASSERT(!running_); }

void TelemetrySender::start(UniqueFunction<void()> flows) {
  SPILLWAY_ASSERT(!running_);
  flows_ = std::move(flows);
  running_ = true;
  spillway::start(run(), [this] {
    running_ = false;
    // Behind what was posted before with a `this` in it.
    loop_.post([this] { std::exchange(done_, nullptr)(); });
  });
}

void TelemetrySender::wake() {
  if (idle_) resume();
}

void TelemetrySender::drain(nanoseconds at_most, UniqueFunction<void()> done) {
  SPILLWAY_ASSERT(running_ && !draining_);
  done_ = std::move(done);
  draining_ = true;
  deadline_->start(at_most, [this] {
    closed_ = true;
    target_.close();
    resume();
  });
  loop_.post([this] { resume(); });
}

Status TelemetrySender::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

void TelemetrySender::set_status(Status status) {
  const std::lock_guard lock(mutex_);
  status_ = std::move(status);
}

void TelemetrySender::note_duration(nanoseconds duration) {
  put_seconds_.record(duration);
  const std::lock_guard lock(mutex_);
  durations_.push_back(duration);
  if (durations_.size() > kPutsRemembered) durations_.pop_front();
}

PutLatency TelemetrySender::latency() const {
  std::vector<nanoseconds> sorted;
  {
    const std::lock_guard lock(mutex_);
    sorted.assign(durations_.begin(), durations_.end());
  }
  if (sorted.empty()) return {};
  std::sort(sorted.begin(), sorted.end());
  const auto last = sorted.size() - 1;
  return {sorted[last / 2], sorted[last * 99 / 100]};
}

Task<void> TelemetrySender::run() {
  while (!closed_) {
    if (!prepared_) {
      prepared_ = co_await try_prepare();
      if (!prepared_) co_await wait(kRetryDelay);
      continue;
    }
    auto batch = buffer_.take();
    if (!batch.empty()) {
      co_await put(batch);
    } else if (draining_) {
      break;
    } else {
      idle_ = true;
      co_await wait(nanoseconds(0));
      idle_ = false;
    }
  }
  deadline_->cancel();
}

Task<bool> TelemetrySender::try_prepare() {
  auto ready = co_await target_.prepare();
  if (ready.ok()) {
    note_success();
  } else if (!closed_) {
    note_failure(ready.error());
  }
  co_return ready.ok();
}

// A stream that is deleted meanwhile is made again.
Task<void> TelemetrySender::put(TelemetryBatch& batch) {
  std::vector<client::PutEntry> entries = batch.entries;
  std::size_t data_bytes = 0;
  for (const auto& entry : entries) data_bytes += entry.data.size();
  while (!closed_) {
    const MonoTime sent = loop_.mono_now();
    auto result = co_await target_.put(entries);
    if (result.ok() && result->failed == 0) {
      note_duration(loop_.mono_now() - sent);
      break;
    }
    failures_.add();
    if (closed_) co_return;
    if (result.ok()) {
      std::vector<client::PutEntry> failed;
      Error error{ErrorCode::kThrottled, ""};
      for (std::size_t i = 0; i < entries.size(); ++i) {
        const auto& outcome = result->outcomes[i];
        if (outcome.ok()) continue;
        if (failed.empty()) error.message = outcome.error_code + ": " + outcome.error_message;
        failed.push_back(std::move(entries[i]));
      }
      entries = std::move(failed);
      note_failure(error);
    } else {
      note_failure(result.error());
    }
    const bool stream_gone = !result.ok() && result.error().code == ErrorCode::kNotFound;
    co_await wait(kRetryDelay);
    if (stream_gone && !closed_) co_await try_prepare();
  }
  if (closed_) co_return;
  records_.add(batch.entries.size());
  bytes_.add(data_bytes);
  buffer_.release(batch);
  note_success();
  if (flows_) std::exchange(flows_, nullptr)();
}

Task<void> TelemetrySender::wait(nanoseconds delay) {
  if (closed_) co_return;
  auto woken = callback<bool>([this, delay](UniqueFunction<void(bool)> done) {
    waiting_ = std::move(done);
    if (delay > nanoseconds(0)) timer_->start(delay, [this] { resume(); });
  });
  co_await woken;
}

void TelemetrySender::resume() {
  timer_->cancel();
  if (waiting_) std::exchange(waiting_, nullptr)(true);
}

void TelemetrySender::note_failure(const Error& error) {
  target_up_.set(0);
  set_status(context("the target doesn't take records", error));
  if (failing_since_) return;
  failing_since_ = loop_.mono_now();
  const auto name = target_.name();
  log_.warning("target is down, collecting goes on", {{"target", name}, {"error", error.message}});
}

void TelemetrySender::note_success() {
  target_up_.set(1);
  if (!failing_since_) {
    if (!status().ok()) set_status({});
    return;
  }
  set_status({});
  const auto down = std::chrono::duration_cast<milliseconds>(loop_.mono_now() - *failing_since_);
  failing_since_.reset();
  const auto name = target_.name();
  log_.info("target is back", {{"target", name},
                               {"down_ms", static_cast<std::int64_t>(down.count())},
                               {"held_records", static_cast<std::uint64_t>(buffer_.records())}});
}

}  // namespace spillway::broker
