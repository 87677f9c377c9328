#include "broker/telemetry_spooler.h"

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
  const std::string stream = stream_;
  std::vector<stream::RecordView> records;
  records.reserve(batch.entries.size());
  for (const auto& entry : batch.entries)
    records.push_back({entry.partition_key, entry.data, std::nullopt, std::nullopt});
  while (true) {
    auto putting = io::on_loop<Spool::Outcomes>(&loop_, [this, &stream, &records](auto done) {
      spool_.put(stream, records, std::move(done));
    });
    const auto outcomes = co_await putting;
    std::vector<stream::RecordView> failed;
    Status first;
    for (std::size_t i = 0; i < records.size(); ++i) {
      if (outcomes[i].ok()) continue;
      if (first.ok()) first = outcomes[i].error();
      failed.push_back(records[i]);
    }
    note(first);
    records = std::move(failed);
    if (records.empty()) break;
    co_await wait(kRetryDelay);
    if (closed_) co_return;
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
