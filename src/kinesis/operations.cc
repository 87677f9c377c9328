#include "kinesis/handlers.h"
#include "kinesis/operation.h"

namespace spillway::kinesis {

namespace {

// Every operation of the service model, by name; without a handler: not offered by this build.
constexpr Operation kOperations[] = {
    {"AddTagsToStream", nullptr},
    {"CreateStream", create_stream},
    {"DecreaseStreamRetentionPeriod", nullptr},
    {"DeleteResourcePolicy", nullptr},
    {"DeleteStream", delete_stream},
    {"DeregisterStreamConsumer", nullptr},
    {"DescribeAccountSettings", nullptr},
    {"DescribeLimits", nullptr},
    {"DescribeStream", describe_stream},
    {"DescribeStreamConsumer", nullptr},
    {"DescribeStreamSummary", describe_stream_summary},
    {"DisableEnhancedMonitoring", nullptr},
    {"EnableEnhancedMonitoring", nullptr},
    {"GetRecords", get_records},
    {"GetResourcePolicy", nullptr},
    {"GetShardIterator", get_shard_iterator},
    {"IncreaseStreamRetentionPeriod", nullptr},
    {"ListShards", list_shards},
    {"ListStreamConsumers", nullptr},
    {"ListStreams", list_streams},
    {"ListTagsForResource", nullptr},
    {"ListTagsForStream", nullptr},
    {"MergeShards", nullptr},
    {"PutRecord", put_record},
    {"PutRecords", put_records},
    {"PutResourcePolicy", nullptr},
    {"RegisterStreamConsumer", nullptr},
    {"RemoveTagsFromStream", nullptr},
    {"SplitShard", nullptr},
    {"StartStreamEncryption", nullptr},
    {"StopStreamEncryption", nullptr},
    {"SubscribeToShard", nullptr},
    {"TagResource", nullptr},
    {"UntagResource", nullptr},
    {"UpdateAccountSettings", nullptr},
    {"UpdateMaxRecordSize", nullptr},
    {"UpdateShardCount", nullptr},
    {"UpdateStreamMode", nullptr},
    {"UpdateStreamWarmThroughput", nullptr},
};

}  // namespace

std::span<const Operation> operations() { return kOperations; }

const Operation* find_operation(std::string_view name) {
  const auto at = std::lower_bound(
      std::begin(kOperations), std::end(kOperations), name,
      [](const Operation& operation, std::string_view wanted) { return operation.name < wanted; });
  return at != std::end(kOperations) && at->name == name ? at : nullptr;
}

}  // namespace spillway::kinesis
