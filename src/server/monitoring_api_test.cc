// Enhanced monitoring and what is counted for it, and the account's settings.
#include "kinesis/traffic_metrics.h"
#include "server/kinesis_api_fixture.h"

namespace spillway::server {
namespace {

using testing::HasSubstr;
using testing::Not;

class MonitoringApiTest : public KinesisApiTest {
 protected:
  std::string metrics_text() {
    const auto shown = kinesis::show_traffic(service_->traffic(), *engine_, metrics_);
    return metrics_.prometheus_text();
  }
  std::string monitor(std::string_view operation, std::string_view metrics) {
    return ask(operation, fmt::format(R"({{"StreamName":"s","ShardLevelMetrics":[{}]}})", metrics));
  }
};

constexpr std::string_view kAllNames =
    R"(["IncomingBytes","IncomingRecords","OutgoingBytes","OutgoingRecords",)"
    R"("WriteProvisionedThroughputExceeded","ReadProvisionedThroughputExceeded",)"
    R"("IteratorAgeMilliseconds"])";

TEST_F(MonitoringApiTest, MetricsOfShardsAreTurnedOnAndOff) {
  create("s", 1);
  EXPECT_THAT(ask("DescribeStreamSummary", R"({"StreamName":"s"})"),
              HasSubstr(R"("EnhancedMonitoring":[{"ShardLevelMetrics":[]}])"));
  EXPECT_THAT(monitor("EnableEnhancedMonitoring", R"("OutgoingBytes","IncomingBytes")"),
              HasSubstr(R"("CurrentShardLevelMetrics":[],)"
                        R"("DesiredShardLevelMetrics":["IncomingBytes","OutgoingBytes"]})"));
  EXPECT_THAT(ask("DescribeStream", R"({"StreamName":"s"})"),
              HasSubstr(R"({"ShardLevelMetrics":["IncomingBytes","OutgoingBytes"]})"));
  EXPECT_THAT(monitor("EnableEnhancedMonitoring", R"("ALL")"),
              HasSubstr(fmt::format(R"("DesiredShardLevelMetrics":{})", kAllNames)));
  EXPECT_THAT(monitor("DisableEnhancedMonitoring", R"("IncomingBytes")"),
              HasSubstr(fmt::format(R"("CurrentShardLevelMetrics":{})", kAllNames)));
  EXPECT_THAT(monitor("DisableEnhancedMonitoring", R"("ALL","IncomingBytes")"),
              HasSubstr(R"("DesiredShardLevelMetrics":[])"));
  EXPECT_THAT(monitor("EnableEnhancedMonitoring", R"("Incoming")"),
              HasSubstr("Value '[Incoming]' at 'shardLevelMetrics' failed to satisfy constraint"));
  EXPECT_EQ(
      ask("EnableEnhancedMonitoring", R"({"StreamName":"none","ShardLevelMetrics":["ALL"]})"),
      error("ResourceNotFoundException", "Stream none under account 000000000000 not found."));
}

TEST_F(MonitoringApiTest, WhatGoesInAndOutIsCountedOfStreamsAndOfMonitoredShards) {
  create("s", 2);
  ask("PutRecords", R"({"StreamName":"s","Records":[)"
                    R"({"Data":"AAAA","PartitionKey":"low","ExplicitHashKey":"0"},)"
                    R"({"Data":"","PartitionKey":"k","ExplicitHashKey":"1"}]})");
  const auto read =
      ask("GetRecords", fmt::format(R"({{"ShardIterator":"{}"}})",
                                    value_of("ShardIterator", iterator(R"("ShardIteratorType":)"
                                                                       R"("TRIM_HORIZON")"))));
  EXPECT_EQ(count_of("SequenceNumber", read), 2u);
  auto text = metrics_text();
  EXPECT_THAT(text, HasSubstr("spillway_stream_incoming_bytes_total{stream=\"s\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("spillway_stream_incoming_records_total{stream=\"s\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("spillway_stream_outgoing_bytes_total{stream=\"s\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("spillway_stream_iterator_age_milliseconds{stream=\"s\"} 0\n"));
  EXPECT_THAT(text, Not(HasSubstr("spillway_shard_")));

  monitor("EnableEnhancedMonitoring", R"("IncomingBytes","OutgoingRecords")");
  text = metrics_text();
  const auto shard = [](int index) {
    return fmt::format("{{stream=\"s\",shard=\"shardId-{:012}\"}}", index);
  };
  EXPECT_THAT(text, HasSubstr(fmt::format("spillway_shard_incoming_bytes_total{} 7\n", shard(0))));
  EXPECT_THAT(text, HasSubstr(fmt::format("spillway_shard_incoming_bytes_total{} 0\n", shard(1))));
  EXPECT_THAT(text,
              HasSubstr(fmt::format("spillway_shard_outgoing_records_total{} 2\n", shard(0))));
  EXPECT_THAT(text, Not(HasSubstr("spillway_shard_outgoing_bytes_total")));

  ask("DeleteStream", R"({"StreamName":"s"})");
  EXPECT_THAT(metrics_text(), Not(HasSubstr("stream=\"s\"")));
  EXPECT_EQ(service_->traffic().size(), 2u);
  service_->forget_deleted();
  EXPECT_EQ(service_->traffic().size(), 0u);
}

TEST_F(MonitoringApiTest, TheAccountCommitsToThroughput) {
  const auto set = [&](std::string_view status) {
    return ask(
        "UpdateAccountSettings",
        fmt::format(R"({{"MinimumThroughputBillingCommitment":{{"Status":"{}"}}}})", status));
  };
  const std::string disabled = R"({"MinimumThroughputBillingCommitment":{"Status":"DISABLED"}})";
  EXPECT_EQ(ask("DescribeAccountSettings", "{}"), disabled);
  const auto enabled = set("ENABLED");
  EXPECT_THAT(enabled, HasSubstr(R"({"Status":"ENABLED","StartedAt":)"));
  clock_.ahead_ms += 5000;
  EXPECT_EQ(set("ENABLED"), enabled) << "it began once";
  EXPECT_EQ(ask("DescribeAccountSettings", "{}"), enabled);
  ask("CreateStream", R"({"StreamName":"w","StreamModeDetails":{"StreamMode":"ON_DEMAND"},)"
                      R"("WarmThroughputMiBps":8})");
  EXPECT_EQ(set("DISABLED"), error("InvalidArgumentException",
                                   "MinimumThroughputBillingCommitment cannot be disabled while "
                                   "stream w has warm throughput."));
  ask("DeleteStream", R"({"StreamName":"w"})");
  EXPECT_EQ(set("DISABLED"), disabled);

  // Under AWS's limits it lasts a day.
  kinesis::ServiceOptions options;
  options.limits = kinesis::Limits::kAws;
  serve(options);
  EXPECT_THAT(set("ENABLED"), HasSubstr(R"("EarliestAllowedEndAt":)"));
  EXPECT_THAT(set("DISABLED"), HasSubstr(R"("Status":"ENABLED_UNTIL_EARLIEST_ALLOWED_END")"));
  clock_.ahead_ms += 24 * 3'600'000;
  EXPECT_EQ(ask("DescribeAccountSettings", "{}"), disabled);
}

}  // namespace
}  // namespace spillway::server
