#include "broker/target.h"

#include <fmt/format.h>

#include <utility>

namespace spillway::broker {
namespace {

constexpr nanoseconds kActiveWithin = seconds(60);

}  // namespace

bool refused_for_good(const client::PutOutcome& outcome) {
  return outcome.error_code == "ValidationException" ||
         outcome.error_code == "InvalidArgumentException" ||
         outcome.error_code == "SerializationException";
}

client::PutEntry entry_of(const stream::RecordView& record) {
  client::PutEntry entry{
      std::string(record.partition_key), std::string(record.data), {}, record.origin};
  if (record.explicit_hash_key) entry.explicit_hash_key = to_string(*record.explicit_hash_key);
  return entry;
}

KinesisTarget::KinesisTarget(io::EventLoop& loop, KinesisTargetOptions options, Random random)
    : loop_(loop),
      options_(std::move(options)),
      random_(random),
      client_(std::make_shared<client::KinesisClient>(loop, options_.client, random_.fork())) {}

void KinesisTarget::change(client::ClientOptions client, std::uint32_t shards) {
  if (closed_) return;
  std::erase_if(before_, [](const Client& one) { return one.use_count() == 1; });
  if (client.source) hand_over_credentials(client);
  before_.push_back(std::move(client_));
  options_.client = std::move(client);
  options_.shards = shards;
  client_ = std::make_shared<client::KinesisClient>(loop_, options_.client, random_.fork());
}

// So that requests needn't wait for a command, which may take longer than they have. What was
// fetched from a place is good for whatever it is asked for; other credentials are good where they
// were used.
void KinesisTarget::hand_over_credentials(client::ClientOptions& to) {
  const auto& from = options_.client;
  if (from.source && from.source->place() == to.source->place()) {
    to.source = client_->hand_over_source();
  } else if (from.endpoint.url == to.endpoint.url) {
    const auto had =
        from.source ? from.source->current() : client::TimedCredentials{.keys = from.credentials};
    if (had) to.source->begin_with(*had);
  }
}

Task<Status> KinesisTarget::prepare(std::string stream) {
  const Client client = client_;
  auto summary = co_await client->describe_summary(stream);
  if (!summary.ok() && summary.error().code != ErrorCode::kNotFound)
    co_return explained(std::move(summary).error(), *client, stream);
  if (!summary.ok()) {
    const std::uint32_t shards = stream == options_.canary_stream ? 1 : options_.shards;
    auto created = co_await client->create_stream(stream, shards);
    // kExists: another broker was quicker.
    if (!created.ok() && created.error().code != ErrorCode::kExists)
      co_return explained(std::move(created).error(), *client, stream);
  }
  auto active = co_await client->wait_until_active(stream, kActiveWithin);
  co_return active;
}

Task<Result<client::PutRecordsResult>> KinesisTarget::put(std::string stream,
                                                          std::vector<client::PutEntry> entries) {
  const Client client = client_;
  if (!options_.origins)
    for (auto& entry : entries) entry.origin.reset();
  const bool packed = options_.packing == LanePacking::kAggregate;
  PackedEntries request =
      packed ? pack_lanes(std::move(entries)) : PackedEntries{std::move(entries), {}};
  auto result = co_await client->put_records(stream, std::move(request.records));
  if (!result.ok()) co_return explained(std::move(result).error(), *client, stream);
  if (packed) co_return outcomes_of_entries(request, *result);
  co_return result;
}

Task<Result<bool>> KinesisTarget::holds(std::string stream, client::PutOutcome place) {
  const Client client = client_;
  const client::IteratorStart start{client::IteratorType::kAtSequenceNumber, place.sequence_number,
                                    WallTime{}};
  auto iterator = co_await client->get_shard_iterator(stream, place.shard_id, start);
  if (!iterator.ok()) co_return std::move(iterator).error();
  auto read = co_await client->get_records(*iterator, 1);
  if (!read.ok()) co_return std::move(read).error();
  co_return !read->records.empty() &&
      read->records.front().sequence_number == place.sequence_number;
}

Task<Status> KinesisTarget::reaches(std::string stream, client::PutOutcome place) {
  const Client client = client_;
  const client::IteratorStart start{client::IteratorType::kAtSequenceNumber, place.sequence_number,
                                    WallTime{}};
  auto iterator = co_await client->get_shard_iterator(std::move(stream), place.shard_id, start);
  if (!iterator.ok()) co_return std::move(iterator).error();
  co_return Status();
}

// Whoever reads it is told what to do where nothing but the configuration helps.
Error KinesisTarget::explained(Error error, const client::KinesisClient& asked,
                               const std::string& stream) {
  if (error.code != ErrorCode::kDenied) return error;
  // They say themselves what there is to do, and nothing was asked.
  if (error.message.find(client::kNoCredentials) != std::string::npos) return error;
  if (!asked.ever_connected()) {
    error.message += "; broker.ca names a file of the certificates to trust";
  } else if (error.message.find("spillway:PutOrigin") != std::string::npos) {
    error.message += "; or set broker.origins to false";
  } else {
    error.message += fmt::format(
        "; broker.access_key and broker.secret_key must be those of a "
        "key that may put into stream {}",
        stream);
  }
  return error;
}

void KinesisTarget::close() {
  closed_ = true;
  for (const auto& client : before_) client->close();
  client_->close();
}

}  // namespace spillway::broker
