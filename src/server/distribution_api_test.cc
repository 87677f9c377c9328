// Record distribution, and requests that are only tried (DryRun).
#include "server/kinesis_api_fixture.h"

namespace spillway::server {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kArn = "arn:aws:kinesis:us-east-1:000000000000:stream/s";

class DistributionApiTest : public KinesisApiTest {
 protected:
  std::string distribute(std::string_view strategy) {
    return ask(
        "UpdateStreamRecordDistributionStrategy",
        fmt::format(R"({{"StreamARN":"{}","RecordDistributionStrategy":"{}"}})", kArn, strategy));
  }
  std::string set_mode(std::string_view mode) {
    return ask("UpdateStreamMode",
               fmt::format(R"({{"StreamARN":"{}","StreamModeDetails":{{"StreamMode":"{}"}}}})",
                           kArn, mode));
  }
  std::string summary() { return ask("DescribeStreamSummary", R"({"StreamName":"s"})"); }
  std::string first_records() {
    return ask("GetRecords", fmt::format(R"({{"ShardIterator":"{}"}})", horizon()));
  }
  std::string horizon() {
    return value_of("ShardIterator", iterator(R"("ShardIteratorType":"TRIM_HORIZON")"));
  }
  const std::string would_succeed_ = error(
      "DryRunOperationException", "Request would have succeeded, but the DryRun parameter is set.");
};

TEST_F(DistributionApiTest, AutoSpreadsRecordsWhateverTheirKeysAre) {
  ask("CreateStream", R"({"StreamName":"s","StreamModeDetails":{"StreamMode":"ON_DEMAND"},)"
                      R"("RecordDistributionStrategy":"AUTO"})");
  EXPECT_THAT(summary(), HasSubstr(R"("RecordDistributionStrategy":"AUTO")"));
  std::string records;
  for (int i = 0; i < 100; ++i) {
    records += i == 0 ? "" : ",";
    records += i % 2 == 0 ? R"({"Data":"","PartitionKey":"same","ExplicitHashKey":"0"})"
                          : R"({"Data":""})";
  }
  const auto put =
      ask("PutRecords", fmt::format(R"({{"StreamName":"s","Records":[{}]}})", records));
  EXPECT_THAT(put, HasSubstr(R"({"FailedRecordCount":0,)"));
  for (int shard = 0; shard < 4; ++shard) {
    const auto name = fmt::format("shardId-{:012}", shard);
    EXPECT_NEAR(static_cast<double>(count_of(name, put)), 25.0, 2.0) << put;
  }
  // A record without a key is given back without one.
  EXPECT_THAT(first_records(), HasSubstr(R"("Data":"","PartitionKey":"same"})"));
  EXPECT_THAT(first_records(), HasSubstr(R"("Data":""})"));
  EXPECT_THAT(ask("PutRecord", R"({"StreamName":"s","Data":"","SequenceNumberForOrdering":"1"})"),
              HasSubstr(R"("__type":"InvalidArgumentException","message":"SequenceNumberForOrd)"));
  EXPECT_EQ(distribute("USER_PARTITION_KEY"), "");
  EXPECT_THAT(summary(), HasSubstr(R"("RecordDistributionStrategy":"USER_PARTITION_KEY")"));
  EXPECT_THAT(ask("PutRecord", R"({"StreamName":"s","Data":"","PartitionKey":"k",)"
                               R"("SequenceNumberForOrdering":"1"})"),
              HasSubstr("SequenceNumber"));
}

TEST_F(DistributionApiTest, AutoIsForStreamsOnDemand) {
  create("s", 1);
  const auto refused = error("InvalidArgumentException",
                             "RecordDistributionStrategy AUTO can only be set in On-Demand mode; "
                             "stream s is in Provisioned mode.");
  EXPECT_EQ(distribute("AUTO"), refused);
  EXPECT_EQ(distribute("USER_PARTITION_KEY"), "");
  EXPECT_THAT(distribute("NONE"), HasSubstr("enum value set: [AUTO, USER_PARTITION_KEY]"));
  EXPECT_THAT(ask("CreateStream", R"({"StreamName":"t","ShardCount":1,)"
                                  R"("RecordDistributionStrategy":"AUTO"})"),
              HasSubstr("AUTO can only be set in On-Demand mode"));
  EXPECT_EQ(set_mode("ON_DEMAND"), "");
  EXPECT_EQ(distribute("AUTO"), "");
  EXPECT_EQ(set_mode("PROVISIONED"), "");
  EXPECT_THAT(summary(), HasSubstr(R"("RecordDistributionStrategy":"USER_PARTITION_KEY")"));
}

TEST_F(DistributionApiTest, OtherStreamsNeedPartitionKeys) {
  create("s", 1);
  constexpr std::string_view kNull = "failed to satisfy constraint: Member must not be null";
  const auto one =
      error("ValidationException",
            fmt::format("1 validation error detected: Value null at 'partitionKey' {}", kNull));
  EXPECT_EQ(ask("PutRecord", R"({"StreamName":"s","Data":""})"), one);
  EXPECT_EQ(ask("PutRecord", R"({"StreamName":"none","Data":""})"), one)
      << "as it was before keys could be left out";
  EXPECT_EQ(ask("PutRecords", R"({"StreamName":"s","Records":[{"Data":""},)"
                              R"({"Data":"","PartitionKey":"k"},{"Data":""}]})"),
            error("ValidationException",
                  fmt::format(
                      "2 validation errors detected: Value null at 'records.1.member.partitionKey'"
                      " {0}; Value null at 'records.3.member.partitionKey' {0}",
                      kNull)));
}

TEST_F(DistributionApiTest, ADryRunDoesNothing) {
  create("s", 1);
  EXPECT_EQ(ask("PutRecord", R"({"StreamName":"s","Data":"","PartitionKey":"k","DryRun":true})"),
            would_succeed_);
  EXPECT_EQ(ask("PutRecords", R"({"StreamName":"s","DryRun":true,)"
                              R"("Records":[{"Data":"AAAA","PartitionKey":"k"}]})"),
            would_succeed_);
  EXPECT_EQ(ask("GetRecords", fmt::format(R"({{"ShardIterator":"{}","DryRun":true}})", horizon())),
            would_succeed_);
  EXPECT_EQ(iterator(R"("ShardIteratorType":"LATEST","DryRun":true)"), would_succeed_);
  EXPECT_THAT(first_records(), HasSubstr(R"({"Records":[],)")) << "nothing was put";
  EXPECT_THAT(ask("PutRecord", R"({"StreamName":"s","Data":"","PartitionKey":"k","DryRun":false})"),
              HasSubstr("SequenceNumber"));
}

TEST_F(DistributionApiTest, ADryRunIsCheckedAsAnyOther) {
  create("s", 1);
  EXPECT_THAT(ask("PutRecord", R"({"StreamName":"none","Data":"","PartitionKey":"k",)"
                               R"("DryRun":true})"),
              HasSubstr("ResourceNotFoundException"));
  EXPECT_THAT(ask("PutRecord", R"({"StreamName":"s","Data":"?","PartitionKey":"k","DryRun":true})"),
              HasSubstr("Data is not base64"));
  EXPECT_THAT(ask("PutRecord", R"({"StreamName":"s","Data":"","PartitionKey":"","DryRun":true})"),
              HasSubstr("ValidationException"));
  EXPECT_THAT(iterator(R"("ShardIteratorType":"AT_SEQUENCE_NUMBER","DryRun":true)"),
              HasSubstr("InvalidArgumentException"));
  EXPECT_THAT(ask("GetRecords", R"({"ShardIterator":"x","DryRun":true})"),
              HasSubstr("Invalid ShardIterator."));
}

TEST_F(DistributionApiTest, ADryRunOfASubscriptionTakesNothingOver) {
  create("s", 1);
  const auto consumer =
      value_of("ConsumerARN", ask("RegisterStreamConsumer",
                                  fmt::format(R"({{"StreamARN":"{}","ConsumerName":"c"}})", kArn)));
  const auto subscribe = [&](std::string_view more) {
    return ask("SubscribeToShard",
               fmt::format(R"({{"ConsumerARN":"{}","ShardId":"shardId-000000000000",)"
                           R"("StartingPosition":{{"Type":"LATEST"}}{}}})",
                           consumer, more));
  };
  EXPECT_EQ(subscribe(R"(,"DryRun":true)"), would_succeed_);
  EXPECT_EQ(subscribe(R"(,"DryRun":true)"), would_succeed_) << "the first did not begin";
  EXPECT_THAT(subscribe(""), HasSubstr("initial-response"));
  EXPECT_THAT(subscribe(R"(,"DryRun":true)"), HasSubstr("ResourceInUseException"));
}

}  // namespace
}  // namespace spillway::server
