// Puts what the buffer holds: one PutRecords in flight, oldest records first, each batch until all
// of it is acknowledged. While the target fails it says so once, tries again every kRetryDelay, and
// says so once when it is back.
//
// A batch is repeated as long as it takes, so a record may be there twice when an answer was lost;
// it has the same source, subject and seq each time.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>

#include "base/task.h"
#include "broker/telemetry_buffer.h"
#include "broker/telemetry_target.h"
#include "io/event_log.h"
#include "io/event_loop.h"
#include "metrics/registry.h"

namespace spillway::broker {

// Of the last kPutsRemembered puts.
struct PutLatency {
  nanoseconds p50{0};
  nanoseconds p99{0};
};

// On the loop's thread, but for status(), latency() and acknowledged(). What it is handed outlives
// it.
class TelemetrySender {
 public:
  static constexpr nanoseconds kRetryDelay = seconds(1);
  static constexpr std::size_t kPutsRemembered = 256;

  TelemetrySender(io::EventLoop& loop, TelemetryTarget& target, TelemetryBuffer& buffer,
                  io::EventLog& log, metrics::Registry& metrics);
  // Not between start() and the end of drain().
  ~TelemetrySender();

  // `flows` is called once, when the first batch is acknowledged.
  void start(UniqueFunction<void()> flows);
  // There is something in the buffer.
  void wake();
  // Puts what is in the buffer, then ends; after `at_most` it gives up. `done` is called at the
  // end, never from within. Once.
  void drain(nanoseconds at_most, UniqueFunction<void()> done);

  // Whether the target takes records; the error says why not, since when it hasn't. Any thread.
  Status status() const;
  PutLatency latency() const;
  std::uint64_t acknowledged() const { return records_.value(); }  // records; any thread

 private:
  Task<void> run();
  Task<bool> try_prepare();
  Task<void> put(TelemetryBatch& batch);
  // Until `delay` is over (zero: without end), wake() or the end.
  Task<void> wait(nanoseconds delay);
  void resume();
  void note_failure(const Error& error);
  void note_success();
  void set_status(Status status);
  void note_duration(nanoseconds duration);

  io::EventLoop& loop_;
  TelemetryTarget& target_;
  TelemetryBuffer& buffer_;
  io::EventLog& log_;
  metrics::Counter& records_;
  metrics::Counter& bytes_;
  metrics::Counter& failures_;
  metrics::Histogram& put_seconds_;
  metrics::Gauge& target_up_;

  std::unique_ptr<io::Timer> timer_;  // of wait()
  std::unique_ptr<io::Timer> deadline_;
  UniqueFunction<void(bool)> waiting_;
  UniqueFunction<void()> flows_;
  UniqueFunction<void()> done_;
  bool prepared_ = false;
  bool idle_ = false;  // waiting for the buffer to be filled, not for the target
  bool draining_ = false;
  bool closed_ = false;
  bool running_ = false;
  std::optional<MonoTime> failing_since_;

  mutable std::mutex mutex_;
  Status status_;
  std::deque<nanoseconds> durations_;
};

}  // namespace spillway::broker
