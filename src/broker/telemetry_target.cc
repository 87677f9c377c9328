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
    co_return std::move(summary).error();
  if (!summary.ok()) {
    auto created = co_await client_.create_stream(options_.stream, options_.shards);
    // kExists: another broker was quicker.
    if (!created.ok() && created.error().code != ErrorCode::kExists) co_return created;
  }
  auto active = co_await client_.wait_until_active(options_.stream, kActiveWithin);
  co_return active;
}

Task<Result<client::PutRecordsResult>> KinesisTarget::put(std::vector<client::PutEntry> entries) {
  auto result = co_await client_.put_records(options_.stream, std::move(entries));
  co_return result;
}

void KinesisTarget::close() { client_.close(); }

std::string KinesisTarget::name() const {
  return fmt::format("stream {} at {}", options_.stream, options_.client.endpoint.url);
}

}  // namespace spillway::broker
