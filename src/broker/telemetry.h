// This machine's telemetry, from its sources into the spool: collector (on a worker) → buffer →
// spooler (on the loop).
#pragma once

#include <memory>
#include <string>

#include "broker/telemetry_collector.h"
#include "broker/telemetry_spooler.h"
#include "io/entropy.h"

namespace spillway::broker {

struct TelemetryOptions {
  std::string host;    // this machine's name in records
  std::string stream;  // of the spool
  CollectorOptions collector;
  BufferLimits limits;
};

// On the loop's thread, but for source() and held().
class Telemetry {
 public:
  // They outlive the telemetry.
  struct Parts {
    io::EventLoop& loop;
    io::Disk& disk;
    io::Clock& clock;
    io::Entropy& entropy;
    io::Workers& workers;
    io::EventLog& log;
    metrics::Registry& metrics;
    Spool& spool;
  };

  // Takes the directory for itself. kBusy: another broker has it; kInvalid: as TelemetryCollector.
  static Result<std::unique_ptr<Telemetry>> make(TelemetryOptions options, Parts parts);

  void start();
  // Goes on as these say, but for the host, the directory and the limits. The spool has the stream;
  // check_files() allows the files. Between start() and stop().
  void change(TelemetryOptions options);
  // Collects no more, spools what is held for at most `at_most`, and keeps the file places (blocks
  // on the disk at the end). `done` is called on the loop; the error is that of the places. Once.
  void stop(nanoseconds at_most, UniqueFunction<void(Status)> done);

  const std::string& source() const { return buffer_.source(); }
  std::size_t held() const { return buffer_.records(); }  // not spooled yet

 private:
  Telemetry(const TelemetryOptions& options, Parts parts, std::unique_ptr<io::FileLock> lock);

  const Parts parts_;
  const std::unique_ptr<io::FileLock> lock_;
  TelemetryBuffer buffer_;
  TelemetrySpooler spooler_;
  std::unique_ptr<TelemetryCollector> collector_;
  std::unique_ptr<io::Worker> worker_;  // last: its step uses all of the above
};

}  // namespace spillway::broker
