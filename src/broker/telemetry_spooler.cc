#include "broker/telemetry_spooler.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "io/on_loop.h"

namespace spillway::broker {

TelemetrySpooler::TelemetrySpooler(io::EventLoop& loop, Spool& spool, std::string stream,
                                   TelemetryBuffer& buffer, io::EventLog& log)
    : loop_(loop),
      spool_(spool),
      stream_(std::move(stream)),
      buffer_(buffer),
      log_(log),
      timer_(loop.make_timer()),
      deadline_(loop.make_timer()) {}

TelemetrySpooler::~TelemetrySpooler() { SPILLWAY_ASSERT(!running_); }

void TelemetrySpooler::start() {
  SPILLWAY_ASSERT(!running_);
  running_ = true;
  spillway::start(run(), [this] {
    running_ = false;
    // Behind what was posted before with a `this` in it.
    loop_.post([this] { std::exchange(done_, nullptr)(); });
  });
}

void TelemetrySpooler::wake() {
  if (idle_) resume();
}

void TelemetrySpooler::drain(nanoseconds at_most, UniqueFunction<void()> done) {
  SPILLWAY_ASSERT(running_ && !draining_);
  done_ = std::move(done);
  draining_ = true;
  deadline_->start(at_most, [this] {
    closed_ = true;
    resume();
  });
  loop_.post([this] { wake(); });
}

Task<void> TelemetrySpooler::run() {
  while (!closed_) {
    auto batch = buffer_.take();
    if (!batch.empty()) {
      co_await put(std::move(batch));
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

// Records of one subject are in one shard, of which the spool takes all or none: their order stays
// when what failed is put again.
Task<void> TelemetrySpooler::put(TelemetryBatch batch) {
  auto entries = batch.entries;
  while (!entries.empty()) {
    auto putting = io::on_loop<std::vector<Status>>(
        &loop_, [this, &entries](auto done) { spool_.put(stream_, entries, std::move(done)); });
    const auto outcomes = co_await putting;
    std::vector<SpoolEntry> failed;
    for (std::size_t i = 0; i < entries.size(); ++i)
      if (!outcomes[i].ok()) failed.push_back(std::move(entries[i]));
    const auto first = std::ranges::find_if(outcomes, [](const Status& s) { return !s.ok(); });
    note(first != outcomes.end() ? *first : Status());
    entries = std::move(failed);
    if (closed_ && !entries.empty()) co_return;
    if (!entries.empty()) co_await wait(kRetryDelay);
  }
  buffer_.release(batch);
}

Task<void> TelemetrySpooler::wait(nanoseconds delay) {
  if (closed_) co_return;
  auto woken = callback<bool>([this, delay](UniqueFunction<void(bool)> done) {
    waiting_ = std::move(done);
    if (delay > nanoseconds(0)) timer_->start(delay, [this] { resume(); });
  });
  co_await woken;
}

void TelemetrySpooler::resume() {
  timer_->cancel();
  if (waiting_) std::exchange(waiting_, nullptr)(true);
}

void TelemetrySpooler::note(const Status& outcome) {
  if (outcome.ok()) {
    if (!failing_since_) return;
    const auto failed =
        std::chrono::duration_cast<milliseconds>(loop_.mono_now() - *failing_since_);
    failing_since_.reset();
    log_.info("the spool takes telemetry again",
              {{"failed_ms", static_cast<std::int64_t>(failed.count())},
               {"held_records", static_cast<std::uint64_t>(buffer_.records())}});
    return;
  }
  if (failing_since_) return;
  failing_since_ = loop_.mono_now();
  log_.warning("the spool takes no telemetry, collecting goes on",
               {{"error", outcome.error().message}});
}

}  // namespace spillway::broker
