#include "broker/target.h"

#include <fmt/format.h>

#include <utility>

namespace spillway::broker {
namespace {

constexpr nanoseconds kActiveWithin = seconds(60);

}  // namespace

client::PutEntry entry_of(const stream::RecordView& record) {
  client::PutEntry entry{std::string(record.partition_key), std::string(record.data), {}};
  if (record.explicit_hash_key) entry.explicit_hash_key = to_string(*record.explicit_hash_key);
  return entry;
}

KinesisTarget::KinesisTarget(io::EventLoop& loop, KinesisTargetOptions options, Random random)
    : options_(std::move(options)), client_(loop, options_.client, random) {}

Task<Status> KinesisTarget::prepare(std::string stream) {
  auto summary = co_await client_.describe_summary(stream);
  if (!summary.ok() && summary.error().code != ErrorCode::kNotFound)
    co_return explained(std::move(summary).error(), stream);
  if (!summary.ok()) {
    auto created = co_await client_.create_stream(stream, options_.shards);
    // kExists: another broker was quicker.
    if (!created.ok() && created.error().code != ErrorCode::kExists)
      co_return explained(std::move(created).error(), stream);
  }
  auto active = co_await client_.wait_until_active(stream, kActiveWithin);
  co_return active;
}

Task<Result<client::PutRecordsResult>> KinesisTarget::put(std::string stream,
                                                          std::vector<client::PutEntry> entries) {
  auto result = co_await client_.put_records(std::move(stream), std::move(entries));
  co_return result;
}

// Whoever reads it is told what to do where nothing but the configuration helps.
Error KinesisTarget::explained(Error error, const std::string& stream) const {
  if (error.code != ErrorCode::kDenied) return error;
  error.message += client_.ever_connected()
                       ? fmt::format(
                             "; broker.access_key and broker.secret_key must be those of a "
                             "key that may put into stream {}",
                             stream)
                       : "; broker.ca names a file of the certificates to trust";
  return error;
}

void KinesisTarget::close() { client_.close(); }

}  // namespace spillway::broker
