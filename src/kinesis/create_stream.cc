#include "kinesis/handlers.h"
#include "kinesis/quotas.h"
#include "kinesis/stream_settings.h"
#include "kinesis/tags.h"
#include "stream/reshard.h"
#include "wire/kinesis_shapes.h"

namespace spillway::kinesis {

namespace {

constexpr std::int64_t kOnDemandShards = 4;  // as a new on-demand stream has them

std::vector<stream::ShardInfo> make_shards(std::uint64_t count, std::uint64_t first_id) {
  std::vector<stream::ShardInfo> shards(count);
  for (std::size_t i = 0; i < shards.size(); ++i) {
    shards[i].id = first_id + i;
    shards[i].index = static_cast<std::uint32_t>(i);
    shards[i].first_hash_key = stream::even_range_start(count, i);
    shards[i].last_hash_key =
        i + 1 == count ? kUint128Max : stream::even_range_start(count, i + 1) - 1;
  }
  return shards;
}

stream::StreamInfo describe(const wire::Value& input, WallTime now) {
  stream::StreamInfo stream;
  stream.name = input["StreamName"].text;
  stream.created_at = now;
  if (input["StreamModeDetails"].present &&
      input["StreamModeDetails"]["StreamMode"].text == "ON_DEMAND")
    stream.mode = stream::StreamMode::kOnDemand;
  if (const auto& size = input["MaxRecordSizeInKiB"]; size.present)
    stream.max_record_kib = static_cast<std::uint32_t>(size.integer);
  if (const auto& warm = input["WarmThroughputMiBps"]; warm.present && warm.integer > 0)
    stream.warm_throughput_mibps = static_cast<std::uint32_t>(warm.integer);
  if (input["RecordDistributionStrategy"].text == "AUTO")
    stream.distribution = stream::RecordDistribution::kAuto;
  return stream;
}

// What AWS's limits have against one more stream like this.
std::optional<Reply> over_limits(Service& service, const stream::Catalog& catalog,
                                 const stream::StreamInfo& stream, std::int64_t shards) {
  auto refusal = over_transitions(service, catalog, stream::StreamStatus::kCreating);
  if (refusal) return refusal;
  if (stream.warm_throughput_mibps && (refusal = without_commitment(service, catalog)))
    return refusal;
  return stream.mode == stream::StreamMode::kOnDemand ? over_on_demand_limit(service, catalog)
                                                      : over_shard_limit(service, catalog, shards);
}

}  // namespace

Task<Reply> create_stream(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kCreateStreamInput);
  if (input.refusal) co_return std::move(*input.refusal);
  auto stream = describe(input.value, service.now());
  if (auto refusal = merge_tags(input.value["Tags"], "stream " + stream.name, stream.tags))
    co_return std::move(*refusal);
  const auto& wanted = input.value["ShardCount"];
  const bool on_demand = stream.mode == stream::StreamMode::kOnDemand;
  if (on_demand && wanted.present) {
    co_return error_reply(ApiError::kInvalidArgument,
                          "ShardCount cannot be set for a stream in On-Demand mode.");
  }
  if (!on_demand && !wanted.present) {
    co_return error_reply(ApiError::kInvalidArgument,
                          "ShardCount is required for a stream in Provisioned mode.");
  }
  if (!on_demand && stream.distribution == stream::RecordDistribution::kAuto)
    co_return auto_needs_on_demand(stream.name);
  const std::int64_t shards = on_demand ? kOnDemandShards : wanted.integer;
  if (shards > kShardsMax) co_return too_many_shards();
  const std::string name = stream.name;
  service.settle_later(stream, stream::StreamStatus::kCreating);
  std::optional<Reply> refusal;
  auto awaiter = on_loop<Result<stream::CatalogRef>>(call.loop, [&](auto done) {
    service.engine().update_catalog(
        [&service, &stream, &refusal,
         shards](const stream::Catalog& catalog) -> Result<stream::CatalogChange> {
          if (service.existing(catalog, stream.name) != nullptr)
            return Error{ErrorCode::kExists, ""};
          refusal = over_limits(service, catalog, stream, shards);
          if (refusal) return Error{ErrorCode::kInvalid, ""};
          stream::CatalogChange change;
          if (catalog.find(stream.name) != nullptr) change.remove.push_back(stream.name);
          stream.id = catalog.next_id;
          stream.shards = make_shards(static_cast<std::uint64_t>(shards), catalog.next_id + 1);
          change.ids_used = static_cast<std::uint64_t>(shards) + 1;
          change.put.push_back(std::move(stream));
          return change;
        },
        std::move(done));
  });
  auto created = co_await awaiter;
  if (refusal) co_return std::move(*refusal);
  if (created.ok()) co_return Reply{};
  if (created.error().code == ErrorCode::kExists) {
    co_return error_reply(
        ApiError::kResourceInUse,
        fmt::format("Stream {} under account {} already exists.", name, service.options().account));
  }
  co_return engine_reply(created.error(), "CreateStream");
}

}  // namespace spillway::kinesis
