#include "wire/kinesis_shapes.h"

namespace spillway::wire::kinesis {

namespace {

constexpr std::string_view kModes[] = {"PROVISIONED", "ON_DEMAND"};
constexpr std::string_view kFilterTypes[] = {"AFTER_SHARD_ID",    "AT_TRIM_HORIZON",
                                             "FROM_TRIM_HORIZON", "AT_LATEST",
                                             "AT_TIMESTAMP",      "FROM_TIMESTAMP"};
constexpr std::string_view kIteratorTypes[] = {"AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER",
                                               "TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"};
constexpr std::string_view kName = "[a-zA-Z0-9_.-]+";

const Shape StreamName{Kind::kString, 1, 128, kName};
const Shape StreamARN{Kind::kString, 1, 2048, "arn:aws.*:kinesis:.*:\\d{12}:stream/\\S+"};
const Shape StreamId{Kind::kString, 1, 24, "[a-z0-9]{20}-[a-z0-9]{3}"};
const Shape ShardId{Kind::kString, 1, 128, kName};
const Shape HashKey{Kind::kString, {}, {}, "0|([1-9]\\d{0,38})"};
const Shape SequenceNumber{Kind::kString, {}, {}, "0|([1-9]\\d{0,128})"};
const Shape PartitionKey{Kind::kString, 1, 256};
const Shape Data{Kind::kBlob, 0, 10485760};
const Shape NextToken{Kind::kString, 1, 1048576};
const Shape ShardIterator{Kind::kString, 1, 512};
const Shape Timestamp{Kind::kTimestamp};
const Shape BooleanObject{Kind::kBoolean};
const Shape PositiveIntegerObject{Kind::kInteger, 1};
const Shape NaturalIntegerObject{Kind::kInteger, 0};
const Shape MaxRecordSizeInKiB{Kind::kInteger, 1024, 10240};
const Shape Limit{Kind::kInteger, 1, 10000};  // DescribeStreamInputLimit, ListShardsInputLimit, …

const Shape StreamMode{Kind::kString, {}, {}, "", kModes};
const Member kStreamModeDetails[] = {{"StreamMode", &StreamMode, true}};
const Shape StreamModeDetails{Kind::kStructure, {}, {}, "", {}, kStreamModeDetails};

const Shape TagKey{Kind::kString, 1, 128};
const Shape TagValue{Kind::kString, 0, 256};
const Shape TagMap{Kind::kMap, 1, 200, "", {}, {}, &TagValue, &TagKey};

const Shape ShardFilterType{Kind::kString, {}, {}, "", kFilterTypes};
const Member kShardFilter[] = {
    {"Type", &ShardFilterType, true}, {"ShardId", &ShardId}, {"Timestamp", &Timestamp}};
const Shape ShardFilter{Kind::kStructure, {}, {}, "", {}, kShardFilter};
const Shape ShardIteratorType{Kind::kString, {}, {}, "", kIteratorTypes};

const Member kPutRecordsEntry[] = {
    {"Data", &Data, true}, {"ExplicitHashKey", &HashKey}, {"PartitionKey", &PartitionKey, true}};
const Shape PutRecordsRequestEntry{Kind::kStructure, {}, {}, "", {}, kPutRecordsEntry};
const Shape PutRecordsRequestEntryList{Kind::kList, 1, 500, "", {}, {}, &PutRecordsRequestEntry};

const Member kCreateStream[] = {{"StreamName", &StreamName, true},
                                {"ShardCount", &PositiveIntegerObject},
                                {"StreamModeDetails", &StreamModeDetails},
                                {"Tags", &TagMap},
                                {"WarmThroughputMiBps", &NaturalIntegerObject},
                                {"MaxRecordSizeInKiB", &MaxRecordSizeInKiB}};
const Member kDeleteStream[] = {{"StreamName", &StreamName},
                                {"EnforceConsumerDeletion", &BooleanObject},
                                {"StreamARN", &StreamARN},
                                {"StreamId", &StreamId}};
const Member kDescribeStream[] = {{"StreamName", &StreamName},
                                  {"Limit", &Limit},
                                  {"ExclusiveStartShardId", &ShardId},
                                  {"StreamARN", &StreamARN},
                                  {"StreamId", &StreamId}};
const Member kDescribeStreamSummary[] = {
    {"StreamName", &StreamName}, {"StreamARN", &StreamARN}, {"StreamId", &StreamId}};
const Member kGetRecords[] = {{"ShardIterator", &ShardIterator, true},
                              {"Limit", &Limit},
                              {"StreamARN", &StreamARN},
                              {"StreamId", &StreamId}};
const Member kGetShardIterator[] = {{"StreamName", &StreamName},
                                    {"ShardId", &ShardId, true},
                                    {"ShardIteratorType", &ShardIteratorType, true},
                                    {"StartingSequenceNumber", &SequenceNumber},
                                    {"Timestamp", &Timestamp},
                                    {"StreamARN", &StreamARN},
                                    {"StreamId", &StreamId}};
const Member kListShards[] = {{"StreamName", &StreamName},
                              {"NextToken", &NextToken},
                              {"ExclusiveStartShardId", &ShardId},
                              {"MaxResults", &Limit},
                              {"StreamCreationTimestamp", &Timestamp},
                              {"ShardFilter", &ShardFilter},
                              {"StreamARN", &StreamARN},
                              {"StreamId", &StreamId}};
const Member kListStreams[] = {
    {"Limit", &Limit}, {"ExclusiveStartStreamName", &StreamName}, {"NextToken", &NextToken}};
const Member kPutRecord[] = {{"StreamName", &StreamName},
                             {"Data", &Data, true},
                             {"PartitionKey", &PartitionKey, true},
                             {"ExplicitHashKey", &HashKey},
                             {"SequenceNumberForOrdering", &SequenceNumber},
                             {"StreamARN", &StreamARN},
                             {"StreamId", &StreamId}};
const Member kPutRecords[] = {{"Records", &PutRecordsRequestEntryList, true},
                              {"StreamName", &StreamName},
                              {"StreamARN", &StreamARN},
                              {"StreamId", &StreamId}};

}  // namespace

const Shape kCreateStreamInput{Kind::kStructure, {}, {}, "", {}, kCreateStream};
const Shape kDeleteStreamInput{Kind::kStructure, {}, {}, "", {}, kDeleteStream};
const Shape kDescribeStreamInput{Kind::kStructure, {}, {}, "", {}, kDescribeStream};
const Shape kDescribeStreamSummaryInput{Kind::kStructure, {}, {}, "", {}, kDescribeStreamSummary};
const Shape kGetRecordsInput{Kind::kStructure, {}, {}, "", {}, kGetRecords};
const Shape kGetShardIteratorInput{Kind::kStructure, {}, {}, "", {}, kGetShardIterator};
const Shape kListShardsInput{Kind::kStructure, {}, {}, "", {}, kListShards};
const Shape kListStreamsInput{Kind::kStructure, {}, {}, "", {}, kListStreams};
const Shape kPutRecordInput{Kind::kStructure, {}, {}, "", {}, kPutRecord};
const Shape kPutRecordsInput{Kind::kStructure, {}, {}, "", {}, kPutRecords};

}  // namespace spillway::wire::kinesis
