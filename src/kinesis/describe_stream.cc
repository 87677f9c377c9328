// DescribeStream and DescribeStreamSummary.
#include "kinesis/consumer_name.h"
#include "kinesis/enhanced_monitoring.h"
#include "kinesis/handlers.h"
#include "kinesis/stream_settings.h"
#include "stream/sequence_number.h"
#include "wire/kinesis_shapes.h"

namespace spillway::kinesis {

namespace {

constexpr std::int64_t kShardsDefault = 100;

void write_common_members(wire::DocumentWriter& to, Service& service,
                          const stream::StreamInfo& stream) {
  to.text("StreamName", stream.name).text("StreamARN", service.arn_of(stream.name));
  to.text("StreamStatus", to_string(stream.status_at(service.now())));
  to.key("StreamModeDetails").open_map();
  to.text("StreamMode", to_string(stream.mode)).close_map();
  to.number("RetentionPeriodHours", stream.retention_hours);
  to.time("StreamCreationTimestamp", stream.created_at);
  to.key("EnhancedMonitoring").open_list().open_map();
  write_metrics_names(to.key("ShardLevelMetrics"), stream.shard_level_metrics);
  to.close_map().close_list();
  to.text("EncryptionType", stream.encryption.on ? "KMS" : "NONE");
  if (stream.encryption.on) to.text("KeyId", stream.encryption.key_id);
}

}  // namespace

Task<Reply> describe_stream(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kDescribeStreamInput);
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
  wire::DocumentWriter document(call.format, 4096);
  document.open_map().key("StreamDescription").open_map();
  write_common_members(document, service, *found.stream);
  document.key("Shards").open_list();
  std::int64_t count = 0;
  bool more = false;
  for (const auto& shard : found.stream->shards) {
    if ((after && shard.index <= *after) || expired(*found.stream, shard, now)) continue;
    more = count == most;
    if (more) break;
    ++count;
    write_shard(document, shard);
  }
  document.close_list().boolean("HasMoreShards", more).close_map().close_map();
  co_return reply_with(std::move(document));
}

Task<Reply> describe_stream_summary(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kDescribeStreamSummaryInput);
  if (input.refusal) co_return std::move(*input.refusal);
  auto found = find_stream(service, input.value);
  if (found.refusal) co_return std::move(*found.refusal);
  const auto& stream = *found.stream;
  wire::DocumentWriter document(call.format, 1024);
  document.open_map().key("StreamDescriptionSummary").open_map();
  write_common_members(document, service, stream);
  document.number("OpenShardCount", static_cast<std::int64_t>(stream.open_shard_count()));
  document.number("ConsumerCount", consumer_count(service, stream));
  document.number("MaxRecordSizeInKiB", stream.max_record_kib);
  document.text("RecordDistributionStrategy", to_string(stream.distribution));
  if (stream.warm_throughput_mibps) {
    document.key("WarmThroughput").open_map();
    document.number("TargetMiBps", *stream.warm_throughput_mibps);
    document.number("CurrentMiBps", warm_now(stream)).close_map();
  }
  document.close_map().close_map();
  co_return reply_with(std::move(document));
}

}  // namespace spillway::kinesis
