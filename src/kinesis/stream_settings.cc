// UpdateStreamMode, UpdateMaxRecordSize, UpdateStreamWarmThroughput and
// UpdateStreamRecordDistributionStrategy.
#include "kinesis/stream_settings.h"

#include "kinesis/handlers.h"
#include "kinesis/quotas.h"
#include "kinesis/service.h"
#include "wire/kinesis_shapes.h"

namespace spillway::kinesis {

namespace {

void set_warm_throughput(stream::StreamInfo& stream, const wire::Value& mibps) {
  if (!mibps.present) return;
  stream.warm_throughput_mibps.reset();
  if (mibps.integer > 0) stream.warm_throughput_mibps = static_cast<std::uint32_t>(mibps.integer);
}

}  // namespace

Task<Reply> update_stream_mode(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kUpdateStreamModeInput);
  if (input.refusal) co_return std::move(*input.refusal);
  const bool on_demand = input.value["StreamModeDetails"]["StreamMode"].text == "ON_DEMAND";
  const auto& warm = input.value["WarmThroughputMiBps"];
  if (warm.present && !on_demand) {
    co_return error_reply(ApiError::kInvalidArgument,
                          "WarmThroughputMiBps can only be set for a stream in On-Demand mode.");
  }
  StreamEdit edit = [&](const stream::Catalog& catalog,
                        stream::CatalogChange& change) -> std::optional<Reply> {
    auto& stream = change.put.front();
    const bool switches = on_demand != (stream.mode == stream::StreamMode::kOnDemand);
    if (switches) {
      auto refusal = over_mode_switches(service, stream);
      if (!refusal) {
        refusal = on_demand
                      ? over_on_demand_limit(service, catalog)
                      : over_shard_limit(service, catalog,
                                         static_cast<std::int64_t>(stream.open_shard_count()));
      }
      if (refusal) return refusal;
    }
    if (warm.present && warm.integer > 0)
      if (auto refusal = without_commitment(service, catalog)) return refusal;
    if (switches)
      service.limits().add_daily(DailyQuota::kUpdateStreamMode, stream.id, service.mono_now());
    stream.mode = on_demand ? stream::StreamMode::kOnDemand : stream::StreamMode::kProvisioned;
    if (!on_demand) {
      stream.warm_throughput_mibps.reset();
      stream.distribution = stream::RecordDistribution::kUserPartitionKey;
    }
    set_warm_throughput(stream, warm);
    service.settle_later(stream, stream::StreamStatus::kUpdating);
    return std::nullopt;
  };
  co_return co_await change_stream(service, call, input.value, std::move(edit));
}

Task<Reply> update_max_record_size(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kUpdateMaxRecordSizeInput);
  if (input.refusal) co_return std::move(*input.refusal);
  const auto kib = static_cast<std::uint32_t>(input.value["MaxRecordSizeInKiB"].integer);
  StreamEdit edit = [&](const stream::Catalog&,
                        stream::CatalogChange& change) -> std::optional<Reply> {
    change.put.front().max_record_kib = kib;
    service.settle_later(change.put.front(), stream::StreamStatus::kUpdating);
    return std::nullopt;
  };
  co_return co_await change_stream(service, call, input.value, std::move(edit));
}

Task<Reply> update_stream_warm_throughput(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kUpdateStreamWarmThroughputInput);
  if (input.refusal) co_return std::move(*input.refusal);
  auto named = name_in(service, input.value);
  if (named.refusal) co_return std::move(*named.refusal);
  const std::string name = named.name;
  const auto& warm = input.value["WarmThroughputMiBps"];
  std::int64_t current = 0;
  StreamEdit edit = [&](const stream::Catalog& catalog,
                        stream::CatalogChange& change) -> std::optional<Reply> {
    auto& stream = change.put.front();
    if (auto refusal = without_commitment(service, catalog)) return refusal;
    if (stream.mode != stream::StreamMode::kOnDemand) {
      return error_reply(ApiError::kInvalidArgument,
                         fmt::format("Warm throughput can only be set in On-Demand mode; stream {} "
                                     "is in Provisioned mode.",
                                     stream.name));
    }
    set_warm_throughput(stream, warm);
    current = warm_now(stream);
    service.settle_later(stream, stream::StreamStatus::kUpdating);
    return std::nullopt;
  };
  auto reply = co_await change_stream(service, call, name, std::move(edit));
  if (reply.status != 200) co_return reply;
  wire::DocumentWriter document(call.format);
  document.open_map().text("StreamARN", service.arn_of(name)).text("StreamName", name);
  document.key("WarmThroughput").open_map().number("TargetMiBps", warm.integer);
  document.number("CurrentMiBps", current).close_map().close_map();
  co_return reply_with(std::move(document));
}

std::int64_t warm_now(const stream::StreamInfo& stream) {
  return std::min<std::int64_t>(stream.warm_throughput_mibps.value_or(0),
                                static_cast<std::int64_t>(stream.open_shard_count()));
}

Reply auto_needs_on_demand(std::string_view stream) {
  return error_reply(
      ApiError::kInvalidArgument,
      fmt::format("RecordDistributionStrategy AUTO can only be set in On-Demand mode; "
                  "stream {} is in Provisioned mode.",
                  stream));
}

Task<Reply> update_stream_record_distribution_strategy(Service& service, Call& call) {
  auto input =
      read_input(service, call, wire::kinesis::kUpdateStreamRecordDistributionStrategyInput);
  if (input.refusal) co_return std::move(*input.refusal);
  const auto wanted = input.value["RecordDistributionStrategy"].text == "AUTO"
                          ? stream::RecordDistribution::kAuto
                          : stream::RecordDistribution::kUserPartitionKey;
  StreamEdit edit = [&](const stream::Catalog&,
                        stream::CatalogChange& change) -> std::optional<Reply> {
    auto& stream = change.put.front();
    if (wanted == stream::RecordDistribution::kAuto && stream.mode != stream::StreamMode::kOnDemand)
      return auto_needs_on_demand(stream.name);
    stream.distribution = wanted;
    service.settle_later(stream, stream::StreamStatus::kUpdating);
    return std::nullopt;
  };
  co_return co_await change_stream(service, call, input.value, std::move(edit));
}

}  // namespace spillway::kinesis
