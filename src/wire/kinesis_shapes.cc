#include "wire/kinesis_shapes.h"

namespace spillway::wire::kinesis {

namespace {

constexpr std::string_view kName = "[a-zA-Z0-9_.-]+";

const Shape StreamName{Kind::kString, 1, 128, kName};
const Shape TagKey{Kind::kString, 1, 128};
const Shape TagValue{Kind::kString, 0, 256};
const Shape StreamARN{Kind::kString, 1, 2048, "arn:aws.*:kinesis:.*:\\d{12}:stream/\\S+"};
const Shape StreamId{Kind::kString, 1, 24, "[a-z0-9]{20}-[a-z0-9]{3}"};
const Shape PositiveIntegerObject{Kind::kInteger, 1};
constexpr std::string_view kStreamModeValues[] = {"PROVISIONED", "ON_DEMAND"};
const Shape StreamMode{Kind::kString, {}, {}, "", kStreamModeValues};
const Shape NaturalIntegerObject{Kind::kInteger, 0};
const Shape MaxRecordSizeInKiB{Kind::kInteger, 1024, 10240};
const Shape RetentionPeriodHours{Kind::kInteger};
const Shape ResourceARN{Kind::kString, 1, 2048, "arn:aws.*:kinesis:.*:\\d{12}:.*stream/\\S+"};
const Shape BooleanObject{Kind::kBoolean};
const Shape ConsumerName{Kind::kString, 1, 128, kName};
const Shape ConsumerARN{Kind::kString, 1, 2048,
                        "^(arn):aws.*:kinesis:.*:\\d{12}:.*stream\\/[a-zA-Z0-9_.-]+\\/consumer\\/"
                        "[a-zA-Z0-9_.-]+:[0-9]+"};
const Shape DescribeStreamInputLimit{Kind::kInteger, 1, 10000};
const Shape ShardId{Kind::kString, 1, 128, kName};
constexpr std::string_view kMetricsNameValues[] = {"IncomingBytes",
                                                   "IncomingRecords",
                                                   "OutgoingBytes",
                                                   "OutgoingRecords",
                                                   "WriteProvisionedThroughputExceeded",
                                                   "ReadProvisionedThroughputExceeded",
                                                   "IteratorAgeMilliseconds",
                                                   "ALL"};
const Shape MetricsName{Kind::kString, {}, {}, "", kMetricsNameValues};
const Shape ShardIterator{Kind::kString, 1, 512};
const Shape GetRecordsInputLimit{Kind::kInteger, 1, 10000};
constexpr std::string_view kShardIteratorTypeValues[] = {
    "AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER", "TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"};
const Shape ShardIteratorType{Kind::kString, {}, {}, "", kShardIteratorTypeValues};
const Shape SequenceNumber{Kind::kString, {}, {}, "0|([1-9]\\d{0,128})"};
const Shape Timestamp{Kind::kTimestamp};
const Shape NextToken{Kind::kString, 1, 1048576};
const Shape ListShardsInputLimit{Kind::kInteger, 1, 10000};
constexpr std::string_view kShardFilterTypeValues[] = {"AFTER_SHARD_ID",    "AT_TRIM_HORIZON",
                                                       "FROM_TRIM_HORIZON", "AT_LATEST",
                                                       "AT_TIMESTAMP",      "FROM_TIMESTAMP"};
const Shape ShardFilterType{Kind::kString, {}, {}, "", kShardFilterTypeValues};
const Shape ListStreamConsumersInputLimit{Kind::kInteger, 1, 10000};
const Shape ListStreamsInputLimit{Kind::kInteger, 1, 10000};
const Shape ListTagsForStreamInputLimit{Kind::kInteger, 1, 50};
const Shape Data{Kind::kBlob, 0, 10485760};
const Shape PartitionKey{Kind::kString, 1, 256};
const Shape HashKey{Kind::kString, {}, {}, "0|([1-9]\\d{0,38})"};
const Shape Producer{Kind::kString, 32, 32, "[0-9a-f]{32}"};
const Shape Lane{Kind::kInteger, 0, 255};
const Shape OriginSequence{Kind::kString, {}, {}, "[1-9]\\d{0,18}"};
const Shape OriginPrevious{Kind::kString, {}, {}, "0|([1-9]\\d{0,18})"};
const Shape Policy{Kind::kString};
constexpr std::string_view kEncryptionTypeValues[] = {"NONE", "KMS"};
const Shape EncryptionType{Kind::kString, {}, {}, "", kEncryptionTypeValues};
const Shape KeyId{Kind::kString, 1, 2048};
constexpr std::string_view kMinimumThroughputBillingCommitmentInputStatusValues[] = {"ENABLED",
                                                                                     "DISABLED"};
const Shape MinimumThroughputBillingCommitmentInputStatus{
    Kind::kString, {}, {}, "", kMinimumThroughputBillingCommitmentInputStatusValues};
constexpr std::string_view kRecordDistributionStrategyValues[] = {"AUTO", "USER_PARTITION_KEY"};
const Shape RecordDistributionStrategy{
    Kind::kString, {}, {}, "", kRecordDistributionStrategyValues};
constexpr std::string_view kScalingTypeValues[] = {"UNIFORM_SCALING"};
const Shape ScalingType{Kind::kString, {}, {}, "", kScalingTypeValues};
const Shape TagMap{Kind::kMap, 1, 200, "", {}, {}, &TagValue, &TagKey};
const Member kStreamModeDetailsMembers[] = {{"StreamMode", &StreamMode, true}};
const Shape StreamModeDetails{Kind::kStructure, {}, {}, "", {}, kStreamModeDetailsMembers};
const Shape MetricsNameList{Kind::kList, 1, 7, "", {}, {}, &MetricsName};
const Member kShardFilterMembers[] = {
    {"Type", &ShardFilterType, true}, {"ShardId", &ShardId}, {"Timestamp", &Timestamp}};
const Shape ShardFilter{Kind::kStructure, {}, {}, "", {}, kShardFilterMembers};
const Member kOriginMembers[] = {{"Producer", &Producer, true},
                                 {"Lane", &Lane, true},
                                 {"Sequence", &OriginSequence, true},
                                 {"Previous", &OriginPrevious, true}};
const Shape Origin{Kind::kStructure, {}, {}, "", {}, kOriginMembers};
const Member kPutRecordsRequestEntryMembers[] = {{"Data", &Data, true},
                                                 {"ExplicitHashKey", &HashKey},
                                                 {"PartitionKey", &PartitionKey},
                                                 {"Origin", &Origin}};
const Shape PutRecordsRequestEntry{
    Kind::kStructure, {}, {}, "", {}, kPutRecordsRequestEntryMembers};
const Shape PutRecordsRequestEntryList{Kind::kList, 1, 500, "", {}, {}, &PutRecordsRequestEntry};
const Shape TagKeyList{Kind::kList, 1, 50, "", {}, {}, &TagKey};
const Member kStartingPositionMembers[] = {{"Type", &ShardIteratorType, true},
                                           {"SequenceNumber", &SequenceNumber},
                                           {"Timestamp", &Timestamp}};
const Shape StartingPosition{Kind::kStructure, {}, {}, "", {}, kStartingPositionMembers};
const Member kMinimumThroughputBillingCommitmentInputMembers[] = {
    {"Status", &MinimumThroughputBillingCommitmentInputStatus, true}};
const Shape MinimumThroughputBillingCommitmentInput{
    Kind::kStructure, {}, {}, "", {}, kMinimumThroughputBillingCommitmentInputMembers};

const Member kAddTagsToStream[] = {{"StreamName", &StreamName},
                                   {"Tags", &TagMap, true},
                                   {"StreamARN", &StreamARN},
                                   {"StreamId", &StreamId}};
const Member kCreateStream[] = {{"StreamName", &StreamName, true},
                                {"ShardCount", &PositiveIntegerObject},
                                {"StreamModeDetails", &StreamModeDetails},
                                {"Tags", &TagMap},
                                {"WarmThroughputMiBps", &NaturalIntegerObject},
                                {"MaxRecordSizeInKiB", &MaxRecordSizeInKiB},
                                {"RecordDistributionStrategy", &RecordDistributionStrategy}};
const Member kDecreaseStreamRetentionPeriod[] = {
    {"StreamName", &StreamName},
    {"RetentionPeriodHours", &RetentionPeriodHours, true},
    {"StreamARN", &StreamARN},
    {"StreamId", &StreamId}};
const Member kDeleteResourcePolicy[] = {{"ResourceARN", &ResourceARN, true},
                                        {"StreamId", &StreamId}};
const Member kDeleteStream[] = {{"StreamName", &StreamName},
                                {"EnforceConsumerDeletion", &BooleanObject},
                                {"StreamARN", &StreamARN},
                                {"StreamId", &StreamId}};
const Member kDeregisterStreamConsumer[] = {{"StreamARN", &StreamARN},
                                            {"ConsumerName", &ConsumerName},
                                            {"ConsumerARN", &ConsumerARN},
                                            {"StreamId", &StreamId}};
const Member kDescribeStream[] = {{"StreamName", &StreamName},
                                  {"Limit", &DescribeStreamInputLimit},
                                  {"ExclusiveStartShardId", &ShardId},
                                  {"StreamARN", &StreamARN},
                                  {"StreamId", &StreamId}};
const Member kDescribeStreamConsumer[] = {{"StreamARN", &StreamARN},
                                          {"ConsumerName", &ConsumerName},
                                          {"ConsumerARN", &ConsumerARN},
                                          {"StreamId", &StreamId}};
const Member kDescribeStreamSummary[] = {
    {"StreamName", &StreamName}, {"StreamARN", &StreamARN}, {"StreamId", &StreamId}};
const Member kDisableEnhancedMonitoring[] = {{"StreamName", &StreamName},
                                             {"ShardLevelMetrics", &MetricsNameList, true},
                                             {"StreamARN", &StreamARN},
                                             {"StreamId", &StreamId}};
const Member kEnableEnhancedMonitoring[] = {{"StreamName", &StreamName},
                                            {"ShardLevelMetrics", &MetricsNameList, true},
                                            {"StreamARN", &StreamARN},
                                            {"StreamId", &StreamId}};
const Member kGetRecords[] = {{"ShardIterator", &ShardIterator, true},
                              {"Limit", &GetRecordsInputLimit},
                              {"StreamARN", &StreamARN},
                              {"StreamId", &StreamId},
                              {"DryRun", &BooleanObject}};
const Member kGetResourcePolicy[] = {{"ResourceARN", &ResourceARN, true}, {"StreamId", &StreamId}};
const Member kGetShardIterator[] = {{"StreamName", &StreamName},
                                    {"ShardId", &ShardId, true},
                                    {"ShardIteratorType", &ShardIteratorType, true},
                                    {"StartingSequenceNumber", &SequenceNumber},
                                    {"Timestamp", &Timestamp},
                                    {"StreamARN", &StreamARN},
                                    {"StreamId", &StreamId},
                                    {"DryRun", &BooleanObject}};
const Member kIncreaseStreamRetentionPeriod[] = {
    {"StreamName", &StreamName},
    {"RetentionPeriodHours", &RetentionPeriodHours, true},
    {"StreamARN", &StreamARN},
    {"StreamId", &StreamId}};
const Member kListShards[] = {{"StreamName", &StreamName},
                              {"NextToken", &NextToken},
                              {"ExclusiveStartShardId", &ShardId},
                              {"MaxResults", &ListShardsInputLimit},
                              {"StreamCreationTimestamp", &Timestamp},
                              {"ShardFilter", &ShardFilter},
                              {"StreamARN", &StreamARN},
                              {"StreamId", &StreamId}};
const Member kListStreamConsumers[] = {{"StreamARN", &StreamARN, true},
                                       {"NextToken", &NextToken},
                                       {"MaxResults", &ListStreamConsumersInputLimit},
                                       {"StreamCreationTimestamp", &Timestamp},
                                       {"StreamId", &StreamId}};
const Member kListStreams[] = {{"Limit", &ListStreamsInputLimit},
                               {"ExclusiveStartStreamName", &StreamName},
                               {"NextToken", &NextToken}};
const Member kListTagsForResource[] = {{"ResourceARN", &ResourceARN, true},
                                       {"StreamId", &StreamId}};
const Member kListTagsForStream[] = {{"StreamName", &StreamName},
                                     {"ExclusiveStartTagKey", &TagKey},
                                     {"Limit", &ListTagsForStreamInputLimit},
                                     {"StreamARN", &StreamARN},
                                     {"StreamId", &StreamId}};
const Member kMergeShards[] = {{"StreamName", &StreamName},
                               {"ShardToMerge", &ShardId, true},
                               {"AdjacentShardToMerge", &ShardId, true},
                               {"StreamARN", &StreamARN},
                               {"StreamId", &StreamId}};
const Member kPutRecord[] = {{"StreamName", &StreamName},
                             {"Data", &Data, true},
                             {"PartitionKey", &PartitionKey},
                             {"ExplicitHashKey", &HashKey},
                             {"SequenceNumberForOrdering", &SequenceNumber},
                             {"StreamARN", &StreamARN},
                             {"StreamId", &StreamId},
                             {"DryRun", &BooleanObject},
                             {"Origin", &Origin}};
const Member kPutRecords[] = {{"Records", &PutRecordsRequestEntryList, true},
                              {"StreamName", &StreamName},
                              {"StreamARN", &StreamARN},
                              {"StreamId", &StreamId},
                              {"DryRun", &BooleanObject}};
const Member kPutResourcePolicy[] = {
    {"ResourceARN", &ResourceARN, true}, {"StreamId", &StreamId}, {"Policy", &Policy, true}};
const Member kRegisterStreamConsumer[] = {{"StreamARN", &StreamARN, true},
                                          {"ConsumerName", &ConsumerName, true},
                                          {"StreamId", &StreamId},
                                          {"Tags", &TagMap}};
const Member kRemoveTagsFromStream[] = {{"StreamName", &StreamName},
                                        {"TagKeys", &TagKeyList, true},
                                        {"StreamARN", &StreamARN},
                                        {"StreamId", &StreamId}};
const Member kSplitShard[] = {{"StreamName", &StreamName},
                              {"ShardToSplit", &ShardId, true},
                              {"NewStartingHashKey", &HashKey, true},
                              {"StreamARN", &StreamARN},
                              {"StreamId", &StreamId}};
const Member kStartStreamEncryption[] = {{"StreamName", &StreamName},
                                         {"EncryptionType", &EncryptionType, true},
                                         {"KeyId", &KeyId, true},
                                         {"StreamARN", &StreamARN},
                                         {"StreamId", &StreamId}};
const Member kStopStreamEncryption[] = {{"StreamName", &StreamName},
                                        {"EncryptionType", &EncryptionType, true},
                                        {"KeyId", &KeyId, true},
                                        {"StreamARN", &StreamARN},
                                        {"StreamId", &StreamId}};
const Member kSubscribeToShard[] = {{"ConsumerARN", &ConsumerARN, true},
                                    {"StreamId", &StreamId},
                                    {"ShardId", &ShardId, true},
                                    {"StartingPosition", &StartingPosition, true},
                                    {"DryRun", &BooleanObject}};
const Member kTagResource[] = {
    {"Tags", &TagMap, true}, {"ResourceARN", &ResourceARN, true}, {"StreamId", &StreamId}};
const Member kUntagResource[] = {
    {"TagKeys", &TagKeyList, true}, {"ResourceARN", &ResourceARN, true}, {"StreamId", &StreamId}};
const Member kUpdateAccountSettings[] = {
    {"MinimumThroughputBillingCommitment", &MinimumThroughputBillingCommitmentInput, true}};
const Member kUpdateMaxRecordSize[] = {{"StreamARN", &StreamARN},
                                       {"StreamId", &StreamId},
                                       {"MaxRecordSizeInKiB", &MaxRecordSizeInKiB, true}};
const Member kUpdateShardCount[] = {{"StreamName", &StreamName},
                                    {"TargetShardCount", &PositiveIntegerObject, true},
                                    {"ScalingType", &ScalingType, true},
                                    {"StreamARN", &StreamARN},
                                    {"StreamId", &StreamId}};
const Member kUpdateStreamMode[] = {{"StreamARN", &StreamARN, true},
                                    {"StreamId", &StreamId},
                                    {"StreamModeDetails", &StreamModeDetails, true},
                                    {"WarmThroughputMiBps", &NaturalIntegerObject}};
const Member kUpdateStreamRecordDistributionStrategy[] = {
    {"StreamARN", &StreamARN, true},
    {"RecordDistributionStrategy", &RecordDistributionStrategy, true},
    {"StreamId", &StreamId}};
const Member kUpdateStreamWarmThroughput[] = {{"StreamARN", &StreamARN},
                                              {"StreamName", &StreamName},
                                              {"StreamId", &StreamId},
                                              {"WarmThroughputMiBps", &NaturalIntegerObject, true}};

}  // namespace

const Shape kAddTagsToStreamInput{Kind::kStructure, {}, {}, "", {}, kAddTagsToStream};
const Shape kCreateStreamInput{Kind::kStructure, {}, {}, "", {}, kCreateStream};
const Shape kDecreaseStreamRetentionPeriodInput{
    Kind::kStructure, {}, {}, "", {}, kDecreaseStreamRetentionPeriod};
const Shape kDeleteResourcePolicyInput{Kind::kStructure, {}, {}, "", {}, kDeleteResourcePolicy};
const Shape kDeleteStreamInput{Kind::kStructure, {}, {}, "", {}, kDeleteStream};
const Shape kDeregisterStreamConsumerInput{Kind::kStructure,         {}, {}, "", {},
                                           kDeregisterStreamConsumer};
const Shape kDescribeAccountSettingsInput{Kind::kStructure, {}, {}, "", {}};
const Shape kDescribeLimitsInput{Kind::kStructure, {}, {}, "", {}};
const Shape kDescribeStreamInput{Kind::kStructure, {}, {}, "", {}, kDescribeStream};
const Shape kDescribeStreamConsumerInput{Kind::kStructure, {}, {}, "", {}, kDescribeStreamConsumer};
const Shape kDescribeStreamSummaryInput{Kind::kStructure, {}, {}, "", {}, kDescribeStreamSummary};
const Shape kDisableEnhancedMonitoringInput{Kind::kStructure,          {}, {}, "", {},
                                            kDisableEnhancedMonitoring};
const Shape kEnableEnhancedMonitoringInput{Kind::kStructure,         {}, {}, "", {},
                                           kEnableEnhancedMonitoring};
const Shape kGetRecordsInput{Kind::kStructure, {}, {}, "", {}, kGetRecords};
const Shape kGetResourcePolicyInput{Kind::kStructure, {}, {}, "", {}, kGetResourcePolicy};
const Shape kGetShardIteratorInput{Kind::kStructure, {}, {}, "", {}, kGetShardIterator};
const Shape kIncreaseStreamRetentionPeriodInput{
    Kind::kStructure, {}, {}, "", {}, kIncreaseStreamRetentionPeriod};
const Shape kListShardsInput{Kind::kStructure, {}, {}, "", {}, kListShards};
const Shape kListStreamConsumersInput{Kind::kStructure, {}, {}, "", {}, kListStreamConsumers};
const Shape kListStreamsInput{Kind::kStructure, {}, {}, "", {}, kListStreams};
const Shape kListTagsForResourceInput{Kind::kStructure, {}, {}, "", {}, kListTagsForResource};
const Shape kListTagsForStreamInput{Kind::kStructure, {}, {}, "", {}, kListTagsForStream};
const Shape kMergeShardsInput{Kind::kStructure, {}, {}, "", {}, kMergeShards};
const Shape kPutRecordInput{Kind::kStructure, {}, {}, "", {}, kPutRecord};
const Shape kPutRecordsInput{Kind::kStructure, {}, {}, "", {}, kPutRecords};
const Shape kPutResourcePolicyInput{Kind::kStructure, {}, {}, "", {}, kPutResourcePolicy};
const Shape kRegisterStreamConsumerInput{Kind::kStructure, {}, {}, "", {}, kRegisterStreamConsumer};
const Shape kRemoveTagsFromStreamInput{Kind::kStructure, {}, {}, "", {}, kRemoveTagsFromStream};
const Shape kSplitShardInput{Kind::kStructure, {}, {}, "", {}, kSplitShard};
const Shape kStartStreamEncryptionInput{Kind::kStructure, {}, {}, "", {}, kStartStreamEncryption};
const Shape kStopStreamEncryptionInput{Kind::kStructure, {}, {}, "", {}, kStopStreamEncryption};
const Shape kSubscribeToShardInput{Kind::kStructure, {}, {}, "", {}, kSubscribeToShard};
const Shape kTagResourceInput{Kind::kStructure, {}, {}, "", {}, kTagResource};
const Shape kUntagResourceInput{Kind::kStructure, {}, {}, "", {}, kUntagResource};
const Shape kUpdateAccountSettingsInput{Kind::kStructure, {}, {}, "", {}, kUpdateAccountSettings};
const Shape kUpdateMaxRecordSizeInput{Kind::kStructure, {}, {}, "", {}, kUpdateMaxRecordSize};
const Shape kUpdateShardCountInput{Kind::kStructure, {}, {}, "", {}, kUpdateShardCount};
const Shape kUpdateStreamModeInput{Kind::kStructure, {}, {}, "", {}, kUpdateStreamMode};
const Shape kUpdateStreamRecordDistributionStrategyInput{
    Kind::kStructure, {}, {}, "", {}, kUpdateStreamRecordDistributionStrategy};
const Shape kUpdateStreamWarmThroughputInput{Kind::kStructure,           {}, {}, "", {},
                                             kUpdateStreamWarmThroughput};

namespace {

constexpr OperationInput kInputs[] = {
    {"AddTagsToStream", &kAddTagsToStreamInput},
    {"CreateStream", &kCreateStreamInput},
    {"DecreaseStreamRetentionPeriod", &kDecreaseStreamRetentionPeriodInput},
    {"DeleteResourcePolicy", &kDeleteResourcePolicyInput},
    {"DeleteStream", &kDeleteStreamInput},
    {"DeregisterStreamConsumer", &kDeregisterStreamConsumerInput},
    {"DescribeAccountSettings", &kDescribeAccountSettingsInput},
    {"DescribeLimits", &kDescribeLimitsInput},
    {"DescribeStream", &kDescribeStreamInput},
    {"DescribeStreamConsumer", &kDescribeStreamConsumerInput},
    {"DescribeStreamSummary", &kDescribeStreamSummaryInput},
    {"DisableEnhancedMonitoring", &kDisableEnhancedMonitoringInput},
    {"EnableEnhancedMonitoring", &kEnableEnhancedMonitoringInput},
    {"GetRecords", &kGetRecordsInput},
    {"GetResourcePolicy", &kGetResourcePolicyInput},
    {"GetShardIterator", &kGetShardIteratorInput},
    {"IncreaseStreamRetentionPeriod", &kIncreaseStreamRetentionPeriodInput},
    {"ListShards", &kListShardsInput},
    {"ListStreamConsumers", &kListStreamConsumersInput},
    {"ListStreams", &kListStreamsInput},
    {"ListTagsForResource", &kListTagsForResourceInput},
    {"ListTagsForStream", &kListTagsForStreamInput},
    {"MergeShards", &kMergeShardsInput},
    {"PutRecord", &kPutRecordInput},
    {"PutRecords", &kPutRecordsInput},
    {"PutResourcePolicy", &kPutResourcePolicyInput},
    {"RegisterStreamConsumer", &kRegisterStreamConsumerInput},
    {"RemoveTagsFromStream", &kRemoveTagsFromStreamInput},
    {"SplitShard", &kSplitShardInput},
    {"StartStreamEncryption", &kStartStreamEncryptionInput},
    {"StopStreamEncryption", &kStopStreamEncryptionInput},
    {"SubscribeToShard", &kSubscribeToShardInput},
    {"TagResource", &kTagResourceInput},
    {"UntagResource", &kUntagResourceInput},
    {"UpdateAccountSettings", &kUpdateAccountSettingsInput},
    {"UpdateMaxRecordSize", &kUpdateMaxRecordSizeInput},
    {"UpdateShardCount", &kUpdateShardCountInput},
    {"UpdateStreamMode", &kUpdateStreamModeInput},
    {"UpdateStreamRecordDistributionStrategy", &kUpdateStreamRecordDistributionStrategyInput},
    {"UpdateStreamWarmThroughput", &kUpdateStreamWarmThroughputInput},
};

}  // namespace

std::span<const OperationInput> operation_inputs() { return kInputs; }

}  // namespace spillway::wire::kinesis
