// `limits = "aws"` behind the API: which error each limit gives, and what it says.
#include "kinesis/on_demand.h"
#include "server/kinesis_api_fixture.h"

namespace spillway::server {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kArn = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
constexpr std::int64_t kDayMs = 24 * 3'600'000;

class LimitsApiTest : public KinesisApiTest {
 protected:
  LimitsApiTest() { enforce(milliseconds(0)); }
  void enforce(milliseconds transition) {
    kinesis::ServiceOptions options;
    options.limits = kinesis::Limits::kAws;
    options.transition = transition;
    serve(options);
  }
  // Past every rate, which time has to pass for.
  void wait_a_second() { clock_.ahead_ms += 1000; }
  // The first answer that is an error; a rate is reached after a burst, however slow a machine is.
  std::string refusal_of(std::string_view operation, const std::string& body) {
    for (int i = 0; i < 1200; ++i)
      if (auto answer = ask(operation, body); answer.starts_with(R"({"__type")")) return answer;
    return "none";
  }
  std::string put(std::size_t count, std::size_t size, std::string_view key = "0") {
    std::string records;
    for (std::size_t i = 0; i < count; ++i) {
      records += fmt::format(R"({}{{"Data":"{}","PartitionKey":"k","ExplicitHashKey":"{}"}})",
                             i == 0 ? "" : ",", std::string(size / 3 * 4, 'A'), key);
    }
    return ask("PutRecords", fmt::format(R"({{"StreamName":"s","Records":[{}]}})", records));
  }
  std::string horizon() {
    return fmt::format(
        R"({{"ShardIterator":"{}"}})",
        value_of("ShardIterator", iterator(R"("ShardIteratorType":"TRIM_HORIZON")")));
  }
  std::string scale_to(int shards) {
    wait_a_second();
    return ask("UpdateShardCount", fmt::format(R"({{"StreamName":"s","TargetShardCount":{},)"
                                               R"("ScalingType":"UNIFORM_SCALING"}})",
                                               shards));
  }
  std::string set_mode(std::string_view mode) {
    wait_a_second();
    return ask("UpdateStreamMode",
               fmt::format(R"({{"StreamARN":"{}","StreamModeDetails":{{"StreamMode":"{}"}}}})",
                           kArn, mode));
  }
};

TEST_F(LimitsApiTest, RecordsBeyondWhatAShardTakesAreThrottledOneByOne) {
  create("s", 2);
  const auto answer = put(500, 6000);
  const auto failed = count_of(R"("ErrorCode":"ProvisionedThroughputExceededException")", answer);
  EXPECT_GE(failed, 250u);
  EXPECT_LE(failed, 330u) << "about a MiB of three goes";
  EXPECT_THAT(answer, HasSubstr(fmt::format(R"("FailedRecordCount":{})", failed)));
  EXPECT_THAT(answer,
              HasSubstr(R"("ErrorMessage":"Rate exceeded for shard shardId-000000000000 in )"
                        R"(stream s under account 000000000000.")"));
  EXPECT_EQ(answer.find("SequenceNumber", answer.find("ErrorCode")), std::string::npos)
      << "those that go are the first ones";
  const std::string large(std::size_t{1000} * 1000 / 3 * 4, 'A');
  const auto one = fmt::format(
      R"({{"StreamName":"s","Data":"{}","PartitionKey":"k","ExplicitHashKey":"0"}})", large);
  EXPECT_EQ(refusal_of("PutRecord", one),
            error("ProvisionedThroughputExceededException",
                  "Rate exceeded for shard shardId-000000000000 in stream s under account "
                  "000000000000."));
  EXPECT_THAT(put(1, 30, "340282366920938463463374607431768211455"),
              HasSubstr(R"("FailedRecordCount":0)"))
      << "the other shard has its own";
  const auto flow = service_->traffic().of(engine_->catalog()->find("s")->id);
  EXPECT_GT(flow.write_exceeded, failed);
  wait_a_second();
  clock_.ahead_ms += 5000;
  EXPECT_THAT(put(1, 30), HasSubstr(R"("FailedRecordCount":0)"));
}

TEST_F(LimitsApiTest, ADryRunUsesNothing) {
  create("s", 1);
  const std::string large(std::size_t{1000} * 1000 / 3 * 4, 'A');
  const auto request = [&](std::string_view more) {
    return fmt::format(R"({{"StreamName":"s","Data":"{}","PartitionKey":"k"{}}})", large, more);
  };
  for (int i = 0; i < 20; ++i)
    ASSERT_THAT(ask("PutRecord", request(R"(,"DryRun":true)")), HasSubstr("would have succeeded"));
  EXPECT_THAT(refusal_of("PutRecord", request("")), HasSubstr("Rate exceeded"));
  EXPECT_THAT(refusal_of("PutRecord", request(R"(,"DryRun":true)")),
              HasSubstr("ProvisionedThroughputExceededException"));
}

TEST_F(LimitsApiTest, AShardIsReadFiveTimesASecond) {
  create("s", 1);
  const auto read = horizon();
  EXPECT_EQ(refusal_of("GetRecords", read),
            error("ProvisionedThroughputExceededException",
                  "Rate exceeded for Shard - 000000000000/s/shardId-000000000000."));
  EXPECT_EQ(refusal_of("GetShardIterator", R"({"StreamName":"s","ShardId":"shardId-000000000000",)"
                                           R"("ShardIteratorType":"LATEST"})"),
            error("ProvisionedThroughputExceededException",
                  "Rate exceeded for shard shardId-000000000000 in stream s under account "
                  "000000000000."));
}

TEST_F(LimitsApiTest, CallsOfTheControlPlaneHaveRates) {
  create("s", 1);
  EXPECT_EQ(refusal_of("DescribeLimits", "{}"),
            error("LimitExceededException", "Rate exceeded for account 000000000000."));
  EXPECT_EQ(
      refusal_of("DescribeStream", R"({"StreamName":"s"})"),
      error("LimitExceededException", "Rate exceeded for stream s under account 000000000000."));
  EXPECT_EQ(
      refusal_of("ListTagsForResource", fmt::format(R"({{"ResourceARN":"{}"}})", kArn)),
      error("LimitExceededException", "Rate exceeded for stream s under account 000000000000."));
  EXPECT_THAT(ask("DescribeStreamSummary", R"({"StreamName":"s"})"), HasSubstr("OpenShardCount"));
}

TEST_F(LimitsApiTest, ShardsAreScaledByHalfOrDoubleTenTimesADay) {
  create("s", 4);
  EXPECT_EQ(scale_to(9),
            error("LimitExceededException",
                  "UpdateShardCount cannot scale up over double your current open shard "
                  "count. Current open shard count: 4, Target shard count: 9"));
  EXPECT_EQ(scale_to(1), error("LimitExceededException",
                               "UpdateShardCount cannot scale down below half your current open "
                               "shard count. Current open shard count: 4, Target shard count: 1"));
  for (int i = 0; i < 10; ++i)
    ASSERT_THAT(scale_to(i % 2 == 0 ? 8 : 4), HasSubstr("TargetShardCount")) << i;
  EXPECT_THAT(scale_to(8), HasSubstr("was scaled 10 times in the last 24 hours"));
  clock_.ahead_ms += kDayMs;
  EXPECT_THAT(scale_to(8), HasSubstr("TargetShardCount"));
}

TEST_F(LimitsApiTest, EncryptionIsStartedAndStoppedTwentyFiveTimesADay) {
  create("s", 1);
  const auto change = [&](std::string_view operation, std::string_view stream = "s") {
    wait_a_second();
    return ask(operation, fmt::format(R"({{"StreamName":"{}","EncryptionType":"KMS",)"
                                      R"("KeyId":"alias/aws/kinesis"}})",
                                      stream));
  };
  EXPECT_EQ(change("StopStreamEncryption"), "") << "nothing is stopped";
  EXPECT_EQ(change("StartStreamEncryption"), "");
  clock_.ahead_ms += kDayMs;
  for (int i = 0; i < 25; ++i) {
    if (i == 10) clock_.ahead_ms += kDayMs / 2;
    ASSERT_EQ(change("StopStreamEncryption"), "") << i;
    ASSERT_EQ(change("StartStreamEncryption"), "") << i;
  }
  constexpr std::string_view kRefused =
      "Encryption of stream s under account 000000000000 was {} 25 times in the last 24 hours, the "
      "most that may be.";
  enforce(milliseconds(0));  // as after a restart
  EXPECT_EQ(change("StartStreamEncryption"),
            error("LimitExceededException", fmt::format(kRefused, "started")));
  EXPECT_EQ(change("StopStreamEncryption"),
            error("LimitExceededException", fmt::format(kRefused, "stopped")));
  create("t", 1);
  EXPECT_EQ(change("StartStreamEncryption", "t"), "") << "another stream has its own";
  clock_.ahead_ms += kDayMs / 2;  // ten of each are as old as a day
  for (int i = 0; i < 10; ++i) ASSERT_EQ(change("StartStreamEncryption"), "") << i;
  EXPECT_THAT(change("StartStreamEncryption"), HasSubstr("was started 25 times"));
  EXPECT_EQ(change("StopStreamEncryption"), "");
}

TEST_F(LimitsApiTest, AnAccountHasSoManyShards) {
  create("s", 499);
  EXPECT_EQ(ask("CreateStream", R"({"StreamName":"t","ShardCount":2})"),
            error("LimitExceededException",
                  "This request would exceed the shard limit for the account 000000000000 in "
                  "us-east-1. Current shard count for the account: 499. Limit: 500. Number of "
                  "additional shards that would have resulted from this request: 2."));
  create("t", 1);
  EXPECT_THAT(ask("SplitShard", R"({"StreamName":"t","ShardToSplit":"shardId-000000000000",)"
                                R"("NewStartingHashKey":"9"})"),
              HasSubstr("LimitExceededException"));
  EXPECT_THAT(ask("DescribeLimits", "{}"), HasSubstr(R"("ShardLimit":500,"OpenShardCount":500)"));
}

TEST_F(LimitsApiTest, StreamsOnDemandAreLimitedAndSwitchedTwiceADay) {
  create("s", 1);
  for (int i = 0; i < 2; ++i) {
    wait_a_second();
    EXPECT_THAT(
        ask("UpdateStreamMode", fmt::format(R"({{"StreamARN":"{}","WarmThroughputMiBps":10,)"
                                            R"("StreamModeDetails":{{"StreamMode":"ON_DEMAND"}}}})",
                                            kArn)),
        HasSubstr("needs MinimumThroughputBillingCommitment"))
        << "what is refused is no switch";
  }
  EXPECT_EQ(set_mode("ON_DEMAND"), "");
  EXPECT_EQ(set_mode("PROVISIONED"), "");
  EXPECT_EQ(set_mode("PROVISIONED"), "") << "no switch";
  EXPECT_THAT(set_mode("ON_DEMAND"), HasSubstr("was changed twice in the last 24 hours"));
  for (int i = 0; i < 50; ++i) {
    wait_a_second();
    ASSERT_EQ(ask("CreateStream", fmt::format(R"({{"StreamName":"d{}","StreamModeDetails":)"
                                              R"({{"StreamMode":"ON_DEMAND"}}}})",
                                              i)),
              "");
  }
  wait_a_second();
  EXPECT_THAT(ask("CreateStream", R"({"StreamName":"e","StreamModeDetails":)"
                                  R"({"StreamMode":"ON_DEMAND"}})"),
              HasSubstr("limit of 50 on-demand streams"));
}

TEST_F(LimitsApiTest, FiveStreamsAreCreatingOrDeletingAtATime) {
  enforce(seconds(60));
  for (int i = 0; i < 5; ++i) {
    wait_a_second();
    create(fmt::format("s{}", i), 1);
  }
  wait_a_second();
  EXPECT_THAT(ask("CreateStream", R"({"StreamName":"s5","ShardCount":1})"),
              HasSubstr("has 5 streams in status CREATING already"));
  clock_.ahead_ms += 60'000;
  create("s5", 1);
  for (int i = 0; i < 5; ++i) {
    wait_a_second();
    EXPECT_EQ(ask("DeleteStream", fmt::format(R"({{"StreamName":"s{}"}})", i)), "");
  }
  wait_a_second();
  EXPECT_THAT(ask("DeleteStream", R"({"StreamName":"s5"})"),
              HasSubstr("has 5 streams in status DELETING already"));
}

TEST_F(LimitsApiTest, AStreamHasTwentyConsumersFiveOfThemCreating) {
  create("s", 1);
  const auto consumer = [&](int i) {
    wait_a_second();
    return ask("RegisterStreamConsumer",
               fmt::format(R"({{"StreamARN":"{}","ConsumerName":"c{}"}})", kArn, i));
  };
  enforce(seconds(600));
  for (int i = 0; i < 5; ++i) EXPECT_THAT(consumer(i), HasSubstr("ConsumerARN"));
  EXPECT_THAT(consumer(5), HasSubstr("has 5 consumers in status CREATING already"));
  enforce(seconds(0));
  clock_.ahead_ms += 600'000;
  for (int i = 5; i < 20; ++i) EXPECT_THAT(consumer(i), HasSubstr("ConsumerARN"));
  EXPECT_EQ(consumer(20),
            error("LimitExceededException", "A stream has at most 20 consumers here."));
  EXPECT_EQ(set_mode("ON_DEMAND"), "");
  EXPECT_THAT(ask("UpdateAccountSettings",
                  R"({"MinimumThroughputBillingCommitment":{"Status":"ENABLED"}})"),
              HasSubstr("ENABLED"));
  EXPECT_THAT(consumer(20), HasSubstr("ConsumerARN")) << "on demand, with a commitment";
}

TEST_F(LimitsApiTest, WarmThroughputNeedsACommitment) {
  const auto create_warm = [&] {
    wait_a_second();
    return ask("CreateStream",
               R"({"StreamName":"s","StreamModeDetails":{"StreamMode":"ON_DEMAND"},)"
               R"("WarmThroughputMiBps":8})");
  };
  EXPECT_THAT(create_warm(), HasSubstr("needs MinimumThroughputBillingCommitment"));
  ask("UpdateAccountSettings", R"({"MinimumThroughputBillingCommitment":{"Status":"ENABLED"}})");
  EXPECT_EQ(create_warm(), "");
  // It is there once the stream has a shard for every MiB.
  EXPECT_THAT(ask("DescribeStreamSummary", R"({"StreamName":"s"})"),
              HasSubstr(R"("WarmThroughput":{"TargetMiBps":8,"CurrentMiBps":4})"));
  kinesis::OnDemandScaling scaling(*service_,
                                   [](const Error& failed) { FAIL() << failed.message; });
  scaling.tick(service_->mono_now());
  EXPECT_EQ(ask("AddTagsToStream", R"({"StreamName":"s","Tags":{"a":"b"}})"), "")
      << "which is durable behind the scaling";
  EXPECT_THAT(ask("DescribeStreamSummary", R"({"StreamName":"s"})"),
              HasSubstr(R"("WarmThroughput":{"TargetMiBps":8,"CurrentMiBps":8})"));
}

// A stream on demand under a load that its shards could not take for long.
TEST_F(LimitsApiTest, StreamsOnDemandGrowWithTheirTraffic) {
  ask("CreateStream", R"({"StreamName":"s","StreamModeDetails":{"StreamMode":"ON_DEMAND"}})");
  kinesis::OnDemandScaling scaling(*service_,
                                   [](const Error& failed) { FAIL() << failed.message; });
  const auto open = [&] { return engine_->catalog()->find("s")->open_shard_count(); };
  for (int second = 0; second < 30; ++second) {
    const auto stream = engine_->catalog()->find("s");
    for (const auto& shard : stream->shards) {
      kinesis::Flow flow;
      flow.incoming_records = 3200 / open();
      if (shard.open()) service_->traffic().add(shard.id, flow);
    }
    scaling.tick(service_->mono_now());
    wait_a_second();
    ask("PutRecord", R"({"StreamName":"s","Data":"","PartitionKey":"k"})");
  }
  EXPECT_EQ(open(), 8u) << "0.8 of each of 4, 0.4 of each of 8";
}

}  // namespace
}  // namespace spillway::server
