#include "broker/telemetry.h"

#include <utility>

#include "base/version.h"
#include "broker/json_object.h"

namespace spillway::broker {

Result<std::unique_ptr<Telemetry>> Telemetry::make(TelemetryOptions options, Parts parts) {
  const auto& directory = options.collector.directory;
  SPILLWAY_TRY(parts.disk.make_directory(directory));
  SPILLWAY_ASSIGN(auto lock, parts.disk.lock(io::join_path(directory, "lock")));
  std::unique_ptr<Telemetry> telemetry(new Telemetry(options, parts, std::move(lock)));
  SPILLWAY_ASSIGN(
      telemetry->collector_,
      TelemetryCollector::make(std::move(options.collector), {parts.disk, parts.clock, parts.log,
                                                              parts.metrics, telemetry->buffer_}));
  return telemetry;
}

Telemetry::Telemetry(const TelemetryOptions& options, Parts parts,
                     std::unique_ptr<io::FileLock> lock)
    : parts_(parts),
      lock_(std::move(lock)),
      buffer_(make_source_id(parts.clock.wall_now(), parts.entropy), options.host, options.limits,
              parts.metrics),
      spooler_(parts.loop, parts.spool, options.stream, buffer_, parts.log) {}

void Telemetry::start() {
  JsonObject started;
  started.add("event", "started").add("version", version());
  buffer_.push_metrics(std::string(kSourceSubject), started.members(), parts_.clock.wall_now());
  spooler_.start();
  worker_ = parts_.workers.start(
      {.name = "telemetry", .interval = TelemetryCollector::kLookInterval}, [this] {
        bool pushed = false;
        const auto next = collector_->step(pushed);
        if (pushed) parts_.loop.post([this] { spooler_.wake(); });
        return next;
      });
  worker_->wake();
}

void Telemetry::change(TelemetryOptions options) {
  spooler_.set_stream(std::move(options.stream));
  collector_->change(std::move(options.collector));
  worker_->wake();
}

void Telemetry::stop(nanoseconds at_most, UniqueFunction<void(Status)> done) {
  worker_.reset();
  buffer_.push_end(parts_.clock.wall_now());
  spooler_.drain(at_most, [this, told = std::move(done)]() mutable {
    auto saved = collector_->save_places();
    told(std::move(saved));
  });
}

}  // namespace spillway::broker
