// The inputs of Kinesis's operations (service model 2013-12-02), under the model's names; what they
// consist of is in the .cc file. tests/model holds them against the model, and names what is newer
// than that: RecordDistributionStrategy, DryRun, and partition keys that may be missing; and what
// is Spillway's own: the Origin of records.
#pragma once

#include <span>
#include <string_view>

#include "wire/shapes.h"

namespace spillway::wire::kinesis {

// The header by which a reader asks for the records' origins ("true").
inline constexpr std::string_view kOriginHeader = "X-Spillway-Origin";

extern const Shape kAddTagsToStreamInput;
extern const Shape kCreateStreamInput;
extern const Shape kDecreaseStreamRetentionPeriodInput;
extern const Shape kDeleteResourcePolicyInput;
extern const Shape kDeleteStreamInput;
extern const Shape kDeregisterStreamConsumerInput;
extern const Shape kDescribeAccountSettingsInput;
extern const Shape kDescribeLimitsInput;
extern const Shape kDescribeStreamInput;
extern const Shape kDescribeStreamConsumerInput;
extern const Shape kDescribeStreamSummaryInput;
extern const Shape kDisableEnhancedMonitoringInput;
extern const Shape kEnableEnhancedMonitoringInput;
extern const Shape kGetRecordsInput;
extern const Shape kGetResourcePolicyInput;
extern const Shape kGetShardIteratorInput;
extern const Shape kIncreaseStreamRetentionPeriodInput;
extern const Shape kListShardsInput;
extern const Shape kListStreamConsumersInput;
extern const Shape kListStreamsInput;
extern const Shape kListTagsForResourceInput;
extern const Shape kListTagsForStreamInput;
extern const Shape kMergeShardsInput;
extern const Shape kPutRecordInput;
extern const Shape kPutRecordsInput;
extern const Shape kPutResourcePolicyInput;
extern const Shape kRegisterStreamConsumerInput;
extern const Shape kRemoveTagsFromStreamInput;
extern const Shape kSplitShardInput;
extern const Shape kStartStreamEncryptionInput;
extern const Shape kStopStreamEncryptionInput;
extern const Shape kSubscribeToShardInput;
extern const Shape kTagResourceInput;
extern const Shape kUntagResourceInput;
extern const Shape kUpdateAccountSettingsInput;
extern const Shape kUpdateMaxRecordSizeInput;
extern const Shape kUpdateShardCountInput;
extern const Shape kUpdateStreamModeInput;
extern const Shape kUpdateStreamRecordDistributionStrategyInput;
extern const Shape kUpdateStreamWarmThroughputInput;

struct OperationInput {
  std::string_view operation;
  const Shape* shape;
};
// Of every operation, by name.
std::span<const OperationInput> operation_inputs();

}  // namespace spillway::wire::kinesis
