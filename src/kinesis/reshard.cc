// SplitShard, MergeShards and UpdateShardCount.
#include "stream/reshard.h"

#include "kinesis/handlers.h"
#include "kinesis/quotas.h"
#include "kinesis/service.h"
#include "stream/sequence_number.h"
#include "wire/kinesis_shapes.h"

namespace spillway::kinesis {

namespace {

std::string shard_of(Service& service, const stream::StreamInfo& stream, std::string_view shard) {
  return fmt::format("{} in stream {} under account {}", shard, stream.name,
                     service.options().account);
}

Reply on_demand(Service& service, const stream::StreamInfo& stream) {
  return error_reply(ApiError::kValidation,
                     fmt::format("Request is invalid. Stream {} under account {} is in On-Demand "
                                 "mode.",
                                 stream.name, service.options().account));
}

// An open shard of the stream; or the answer to give instead.
struct OpenShard {
  const stream::ShardInfo* shard = nullptr;
  std::optional<Reply> refusal;
};

OpenShard open_shard(Service& service, const stream::StreamInfo& stream, std::string_view name) {
  const auto index = stream::parse_shard_name(name);
  const auto* shard = index ? stream.find_shard(*index) : nullptr;
  if (shard == nullptr) {
    return {nullptr,
            error_reply(ApiError::kResourceNotFound,
                        fmt::format("Could not find shard {}.", shard_of(service, stream, name)))};
  }
  if (!shard->open()) {
    return {nullptr,
            error_reply(ApiError::kResourceInUse,
                        fmt::format("Shard {} has already been merged or split, and thus is not "
                                    "eligible for merging or splitting.",
                                    shard_of(service, stream, name)))};
  }
  return {shard, std::nullopt};
}

std::optional<Reply> split(Service& service, const wire::Value& input,
                           const stream::Catalog& catalog, stream::CatalogChange& change) {
  stream::StreamInfo& stream = change.put.front();
  if (stream.mode == stream::StreamMode::kOnDemand) return on_demand(service, stream);
  auto found = open_shard(service, stream, input["ShardToSplit"].text);
  if (found.refusal) return std::move(found.refusal);
  const stream::ShardInfo& shard = *found.shard;
  const auto at = parse_uint128(input["NewStartingHashKey"].text);
  if (!at || *at <= shard.first_hash_key || *at - 1 <= shard.first_hash_key ||
      *at >= shard.last_hash_key) {
    return error_reply(
        ApiError::kInvalidArgument,
        fmt::format("NewStartingHashKey {} used in SplitShard() on shard {} is not both greater "
                    "than one plus the shard's StartingHashKey {} and less than the shard's "
                    "EndingHashKey {}.",
                    input["NewStartingHashKey"].text,
                    shard_of(service, stream, stream::shard_name(shard.index)),
                    spillway::to_string(shard.first_hash_key),
                    spillway::to_string(shard.last_hash_key)));
  }
  if (static_cast<std::int64_t>(stream.open_shard_count()) >= kShardsMax) return too_many_shards();
  if (auto refusal = over_shard_limit(service, catalog, 1)) return refusal;
  service.settle_later(stream, stream::StreamStatus::kUpdating);
  stream::split({shard.index, *at}, catalog.next_id, change);
  return std::nullopt;
}

std::optional<Reply> merge(Service& service, const wire::Value& input,
                           const stream::Catalog& catalog, stream::CatalogChange& change) {
  stream::StreamInfo& stream = change.put.front();
  if (stream.mode == stream::StreamMode::kOnDemand) return on_demand(service, stream);
  const std::string_view names[] = {input["ShardToMerge"].text, input["AdjacentShardToMerge"].text};
  const stream::ShardInfo* shards[2];
  for (int i = 0; i < 2; ++i) {
    auto found = open_shard(service, stream, names[i]);
    if (found.refusal) return std::move(found.refusal);
    shards[i] = found.shard;
  }
  if (shards[0]->last_hash_key == kUint128Max ||
      shards[0]->last_hash_key + 1 != shards[1]->first_hash_key) {
    return error_reply(ApiError::kInvalidArgument,
                       fmt::format("Shards {} and {} are not an adjacent pair of shards eligible "
                                   "for merging",
                                   names[0], shard_of(service, stream, names[1])));
  }
  service.settle_later(stream, stream::StreamStatus::kUpdating);
  stream::merge({shards[0]->index, shards[1]->index}, catalog.next_id, change);
  return std::nullopt;
}

}  // namespace

Task<Reply> split_shard(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kSplitShardInput);
  if (input.refusal) co_return std::move(*input.refusal);
  StreamEdit edit = [&](const stream::Catalog& catalog, stream::CatalogChange& change) {
    return split(service, input.value, catalog, change);
  };
  co_return co_await change_stream(service, call, input.value, std::move(edit));
}

Task<Reply> merge_shards(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kMergeShardsInput);
  if (input.refusal) co_return std::move(*input.refusal);
  StreamEdit edit = [&](const stream::Catalog& catalog, stream::CatalogChange& change) {
    return merge(service, input.value, catalog, change);
  };
  co_return co_await change_stream(service, call, input.value, std::move(edit));
}

// Each round of splits or merges is durable by itself: what a crash interrupts is whole, only not
// even, and another call goes on with it.
Task<Reply> update_shard_count(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kUpdateShardCountInput);
  if (input.refusal) co_return std::move(*input.refusal);
  auto named = name_in(service, input.value);
  if (named.refusal) co_return std::move(*named.refusal);
  const std::string name = named.name;
  const std::int64_t target = input.value["TargetShardCount"].integer;
  if (target > kShardsMax) co_return too_many_shards();

  std::int64_t before = 0;
  bool first = true;
  bool even = false;
  while (!even) {
    StreamEdit edit = [&](const stream::Catalog& catalog,
                          stream::CatalogChange& change) -> std::optional<Reply> {
      stream::StreamInfo& stream = change.put.front();
      if (stream.mode == stream::StreamMode::kOnDemand) return on_demand(service, stream);
      if (first) {
        before = static_cast<std::int64_t>(stream.open_shard_count());
        if (auto refusal = over_scaling(service, stream, target)) return refusal;
        if (auto refusal = over_shard_limit(service, catalog, target - before)) return refusal;
        service.limits().add_daily(DailyQuota::kUpdateShardCount, stream.id, service.mono_now());
        first = false;
      }
      const auto round = stream::next_round(stream, static_cast<std::uint64_t>(target));
      for (const auto& one : round.splits) stream::split(one, catalog.next_id, change);
      for (const auto& one : round.merges) stream::merge(one, catalog.next_id, change);
      even = round.splits.empty() && round.merges.empty();
      if (even) service.settle_later(stream, stream::StreamStatus::kUpdating);
      return std::nullopt;
    };
    auto reply = co_await change_stream(service, call, name, std::move(edit));
    if (reply.status != 200) co_return reply;
  }
  wire::DocumentWriter document(call.format);
  document.open_map().text("StreamName", name).text("StreamARN", service.arn_of(name));
  document.number("CurrentShardCount", before).number("TargetShardCount", target).close_map();
  co_return reply_with(std::move(document));
}

}  // namespace spillway::kinesis
