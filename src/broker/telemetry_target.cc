#include "broker/telemetry_target.h"

#include <fmt/format.h>

#include <utility>

namespace spillway::broker {
namespace {

constexpr nanoseconds kActiveWithin = seconds(60);

}  // namespace

KinesisTarget::KinesisTarget(io::EventLoop& loop, KinesisTargetOptions options, Random random)
    : options_(std::move(options)), client_(loop, options_.client, random) {}

Task<Status> KinesisTarget::prepare() {
  auto summary = co_await client_.describe_summary(options_.stream);
  if (!summary.ok() && summary.error().code != ErrorCode::kNotFound)
    co_return explained(std::move(summary).error());
  if (!summary.ok()) {
    auto created = co_await client_.create_stream(options_.stream, options_.shards);
    // kExists: another broker was quicker.
    if (!created.ok() && created.error().code != ErrorCode::kExists)
      co_return explained(std::move(created).error());
  }
  auto active = co_await client_.wait_until_active(options_.stream, kActiveWithin);
  co_return active;
}

Task<Result<client::PutRecordsResult>> KinesisTarget::put(std::vector<client::PutEntry> entries) {
  auto result = co_await client_.put_records(options_.stream, std::move(entries));
  co_return result;
}

// Whoever reads it is told what to do where nothing but the configuration helps.
Error KinesisTarget::explained(Error error) const {
  if (error.code != ErrorCode::kDenied) return error;
  error.message += client_.ever_connected()
                       ? fmt::format(
                             "; broker.access_key and broker.secret_key must be those of a "
                             "key that may put into stream {}",
                             options_.stream)
                       : "; broker.ca names a file of the certificates to trust";
  return error;
}

void KinesisTarget::close() { client_.close(); }

std::string KinesisTarget::name() const {
  return fmt::format("stream {} at {}", options_.stream, options_.client.endpoint.url);
}

}  // namespace spillway::broker
