// Puts what the buffer holds into the spool: one batch at a time, oldest records first, each until
// all of it is durable. While the spool takes none (it is full, or its disk is) it says so once,
// tries again every kRetryDelay, and says so once when it does again.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/task.h"
#include "broker/spool.h"
#include "broker/telemetry_buffer.h"
#include "io/event_log.h"
#include "io/event_loop.h"

namespace spillway::broker {

// On the loop's thread. What it is handed outlives it.
class TelemetrySpooler {
 public:
  static constexpr nanoseconds kRetryDelay = seconds(1);

  TelemetrySpooler(io::EventLoop& loop, Spool& spool, std::string stream, TelemetryBuffer& buffer,
                   io::EventLog& log);
  // Not between start() and the end of drain().
  ~TelemetrySpooler();

  void start();
  // What is taken from the buffer from now on goes there, a stream that the spool was opened with.
  void set_stream(std::string stream) { stream_ = std::move(stream); }
  // There is something in the buffer.
  void wake();
  // Spools what is in the buffer, then ends; after `at_most` it gives up. `done` is called at the
  // end, never from within. Once.
  void drain(nanoseconds at_most, UniqueFunction<void()> done);

 private:
  Task<void> run();
  Task<void> put(TelemetryBatch batch);
  // Until `delay` is over (zero: without end), wake() or the end.
  Task<void> wait(nanoseconds delay);
  void resume();
  void note(const Status& outcome);

  io::EventLoop& loop_;
  Spool& spool_;
  std::string stream_;
  TelemetryBuffer& buffer_;
  io::EventLog& log_;
  const std::unique_ptr<io::Timer> timer_;  // of wait()
  const std::unique_ptr<io::Timer> deadline_;
  UniqueFunction<void(bool)> waiting_;
  UniqueFunction<void()> done_;
  bool idle_ = false;  // waiting for the buffer to be filled, not for the spool
  bool draining_ = false;
  bool closed_ = false;
  bool running_ = false;
  std::optional<MonoTime> failing_since_;
};

}  // namespace spillway::broker
