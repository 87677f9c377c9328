// DescribeStream and DescribeStreamSummary.
#include "kinesis/handlers.h"
#include "kinesis/service.h"
#include "stream/sequence_number.h"
#include "wire/kinesis_shapes.h"

namespace spillway::kinesis {

namespace {

constexpr std::int64_t kShardsDefault = 100;

std::string common_members(Service& service, const stream::StreamInfo& stream) {
  return fmt::format(
      R"("StreamName":"{}","StreamARN":"{}","StreamStatus":"{}",)"
      R"("StreamModeDetails":{{"StreamMode":"{}"}},"RetentionPeriodHours":{},)"
      R"("StreamCreationTimestamp":{},"EnhancedMonitoring":[{{"ShardLevelMetrics":[]}}],)"
      R"("EncryptionType":"NONE")",
      stream.name, service.arn_of(stream.name), to_string(stream.status), to_string(stream.mode),
      stream.retention_hours, json_time(stream.created_at));
}

}  // namespace

Task<Reply> describe_stream(Service& service, Call& call) {
  auto input = read_input(call, wire::kinesis::kDescribeStreamInput);
  if (input.refusal) co_return std::move(*input.refusal);
  auto found = find_stream(service, input.value);
  if (found.refusal) co_return std::move(*found.refusal);
  const auto& limit = input.value["Limit"];
  const std::int64_t most = limit.present ? limit.integer : kShardsDefault;
  std::optional<std::uint32_t> after;
  if (const auto name = input.value["ExclusiveStartShardId"].string()) {
    after = stream::parse_shard_name(*name);
    if (!after) {
      co_return error_reply(ApiError::kInvalidArgument,
                            fmt::format("ExclusiveStartShardId {} is not a shard's id.", *name));
    }
  }
  const WallTime now = service.now();
  std::string shards;
  std::int64_t count = 0;
  bool more = false;
  for (const auto& shard : found.stream->shards) {
    if ((after && shard.index <= *after) || expired(*found.stream, shard, now)) continue;
    more = count == most;
    if (more) break;
    if (count++ > 0) shards += ',';
    append_shard(shards, shard);
  }
  co_return json_reply(
      fmt::format(R"({{"StreamDescription":{{{},"HasMoreShards":{},"Shards":[{}]}}}})",
                  common_members(service, *found.stream), more, shards));
}

Task<Reply> describe_stream_summary(Service& service, Call& call) {
  auto input = read_input(call, wire::kinesis::kDescribeStreamSummaryInput);
  if (input.refusal) co_return std::move(*input.refusal);
  auto found = find_stream(service, input.value);
  if (found.refusal) co_return std::move(*found.refusal);
  const auto& stream = *found.stream;
  std::string warm;
  if (stream.warm_throughput_mibps) {
    warm = fmt::format(R"(,"WarmThroughput":{{"TargetMiBps":{0},"CurrentMiBps":{0}}})",
                       *stream.warm_throughput_mibps);
  }
  co_return json_reply(fmt::format(
      R"({{"StreamDescriptionSummary":{{{},"OpenShardCount":{},"ConsumerCount":0,"MaxRecordSizeInKiB":{}{}}}}})",
      common_members(service, stream), stream.open_shard_count(), stream.max_record_kib, warm));
}

}  // namespace spillway::kinesis
