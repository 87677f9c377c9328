// Where telemetry goes: one stream at one endpoint.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "client/kinesis_client.h"

namespace spillway::broker {

// On one loop's thread; one call at a time. Errors are KinesisClient's.
class TelemetryTarget {
 public:
  virtual ~TelemetryTarget() = default;
  // Makes the stream if it is missing, and waits until it takes records.
  virtual Task<Status> prepare() = 0;
  virtual Task<Result<client::PutRecordsResult>> put(std::vector<client::PutEntry> entries) = 0;
  // Ends the call under way with kClosed, from within, and each later one at once.
  virtual void close() = 0;
  virtual std::string name() const = 0;  // for people: "stream telemetry at http://…"
};

struct KinesisTargetOptions {
  std::string stream = "telemetry";
  // Of the stream, if it has to be made; 0: on demand.
  std::uint32_t shards = 0;
  client::ClientOptions client;
};

class KinesisTarget final : public TelemetryTarget {
 public:
  KinesisTarget(io::EventLoop& loop, KinesisTargetOptions options, Random random);

  Task<Status> prepare() override;
  Task<Result<client::PutRecordsResult>> put(std::vector<client::PutEntry> entries) override;
  void close() override;
  std::string name() const override;

 private:
  Error explained(Error error) const;

  const KinesisTargetOptions options_;
  client::KinesisClient client_;
};

}  // namespace spillway::broker
