#include "kinesis/handlers.h"
#include "kinesis/service.h"
#include "wire/kinesis_shapes.h"

namespace spillway::kinesis {

namespace {

constexpr std::int64_t kShardsMax = 100'000;
constexpr std::int64_t kOnDemandShards = 4;  // as a new on-demand stream has them

// Ranges of floor(2^128 / n); the last ends at 2^128 - 1.
std::vector<stream::ShardInfo> make_shards(std::int64_t count, std::uint64_t first_id) {
  // 2^128 itself doesn't fit: (2^128 - 1) / n is the same but where n divides 2^128.
  const auto n = static_cast<Uint128>(count);
  const Uint128 width = kUint128Max / n + (kUint128Max % n == n - 1 ? 1 : 0);
  std::vector<stream::ShardInfo> shards(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < shards.size(); ++i) {
    shards[i].id = first_id + i;
    shards[i].index = static_cast<std::uint32_t>(i);
    shards[i].first_hash_key = width * i;
    shards[i].last_hash_key = i + 1 == shards.size() ? kUint128Max : width * (i + 1) - 1;
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
  const auto& tags = input["Tags"].children;
  for (std::size_t i = 0; i + 1 < tags.size(); i += 2)
    stream.tags[std::string(tags[i].text)] = tags[i + 1].text;
  return stream;
}

}  // namespace

Task<Reply> create_stream(Service& service, Call& call) {
  auto input = read_input(call, wire::kinesis::kCreateStreamInput);
  if (input.refusal) co_return std::move(*input.refusal);
  auto stream = describe(input.value, service.now());
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
  const std::int64_t shards = on_demand ? kOnDemandShards : wanted.integer;
  if (shards > kShardsMax) {
    co_return error_reply(ApiError::kLimitExceeded,
                          fmt::format("A stream has at most {} shards here.", kShardsMax));
  }
  const std::string name = stream.name;
  auto awaiter = on_loop<Result<stream::CatalogRef>>(call.loop, [&](auto done) {
    service.engine().update_catalog(
        [&stream, shards](const stream::Catalog& catalog) -> Result<stream::CatalogChange> {
          if (catalog.find(stream.name) != nullptr) return Error{ErrorCode::kExists, ""};
          stream::CatalogChange change;
          stream.id = catalog.next_id;
          stream.shards = make_shards(shards, catalog.next_id + 1);
          change.ids_used = static_cast<std::uint64_t>(shards) + 1;
          change.put.push_back(std::move(stream));
          return change;
        },
        std::move(done));
  });
  auto created = co_await awaiter;
  if (created.ok()) co_return Reply{};
  if (created.error().code == ErrorCode::kExists) {
    co_return error_reply(
        ApiError::kResourceInUse,
        fmt::format("Stream {} under account {} already exists.", name, service.options().account));
  }
  co_return engine_reply(created.error(), "CreateStream");
}

}  // namespace spillway::kinesis
