// Where the spool is delivered to: streams of one endpoint, under a name of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "broker/lane_packing.h"
#include "client/kinesis_client.h"
#include "stream/record_batch.h"

namespace spillway::broker {

// On one loop's thread; several calls may be under way. Errors are KinesisClient's.
class Target {
 public:
  virtual ~Target() = default;
  // How many records of a lane a put may have.
  virtual LanePacking packing() const { return LanePacking::kPrefix; }
  // Makes the stream if it is missing, and waits until it takes records.
  virtual Task<Status> prepare(std::string stream) = 0;
  virtual Task<Result<client::PutRecordsResult>> put(std::string stream,
                                                     std::vector<client::PutEntry> entries) = 0;
  // Whether the record that was put there can be read now.
  virtual Task<Result<bool>> holds(std::string stream, client::PutOutcome place) = 0;
  // Whether its shard has come so far; kInvalid, kNotFound: no, or it isn't that shard. Reads no
  // record, so a record that has expired since is no reason.
  virtual Task<Status> reaches(std::string stream, client::PutOutcome place) = 0;
  // Ends the calls under way with kClosed, from within, and each later one at once.
  virtual void close() = 0;
  virtual const std::string& name() const = 0;  // by which cursors are kept; never changes
  virtual std::string address() const = 0;      // for people: "http://…"
};

// Whether an entry was refused for what it is, whenever it is sent again.
bool refused_for_good(const client::PutOutcome& outcome);

// A spooled record as it is sent.
client::PutEntry entry_of(const stream::RecordView& record);

struct KinesisTargetOptions {
  std::string name = "default";
  // Of streams that have to be made; 0: on demand.
  std::uint32_t shards = 0;
  std::string canary_stream;  // it has one
  // Whether records are sent with their origins: to Spillway as it has them, in aggregates as tags.
  bool origins = true;
  LanePacking packing = LanePacking::kPrefix;
  client::ClientOptions client;
};

class KinesisTarget final : public Target {
 public:
  KinesisTarget(io::EventLoop& loop, KinesisTargetOptions options, Random random);

  // From the next call on it is reached by this client, and streams are made as it says; calls
  // under way end as they began. Other credentials for the same endpoint are used as soon as they
  // are there. Not from within a call.
  void change(client::ClientOptions client, std::uint32_t shards);

  LanePacking packing() const override { return options_.packing; }
  Task<Status> prepare(std::string stream) override;
  Task<Result<client::PutRecordsResult>> put(std::string stream,
                                             std::vector<client::PutEntry> entries) override;
  Task<Result<bool>> holds(std::string stream, client::PutOutcome place) override;
  Task<Status> reaches(std::string stream, client::PutOutcome place) override;
  void close() override;
  const std::string& name() const override { return options_.name; }
  std::string address() const override { return options_.client.endpoint.url; }

 private:
  // Each call keeps the one that it began with.
  using Client = std::shared_ptr<client::KinesisClient>;

  void hand_over_credentials(client::ClientOptions& to);
  static Error explained(Error error, const client::KinesisClient& asked,
                         const std::string& stream);

  io::EventLoop& loop_;
  KinesisTargetOptions options_;
  Random random_;
  Client client_;
  std::vector<Client> before_;  // may have calls under way
  bool closed_ = false;
};

}  // namespace spillway::broker
