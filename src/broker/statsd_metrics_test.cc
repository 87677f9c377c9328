#include "broker/statsd_metrics.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace spillway::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

class StatsdMetricsTest : public testing::Test {
 protected:
  // How many samples were dropped.
  std::size_t add(const std::string& line) {
    const auto all = read_statsd(line);
    EXPECT_TRUE(all) << line;
    std::size_t dropped = 0;
    for (const auto& samples : *all) dropped += metrics_.add(samples);
    return dropped;
  }
  // Each record, without what all of them have.
  std::vector<std::string> end() {
    const std::size_t changed = metrics_.changed();
    std::vector<std::string> texts;
    for (auto& record : metrics_.end({from_millis(70), seconds(10), "h"})) {
      constexpr std::string_view kBegin = R"({"time":70,"interval_ms":10000,"host":"h","type":")";
      EXPECT_THAT(record.data, StartsWith(kBegin));
      EXPECT_NE(record.data.find(R"("name":")" + record.key + '"'), std::string::npos);
      texts.push_back(record.data.substr(kBegin.size(), record.data.size() - kBegin.size() - 1));
    }
    EXPECT_EQ(texts.size(), changed);
    return texts;
  }

  StatsdMetrics metrics_{1};
};

TEST_F(StatsdMetricsTest, CountersAddUpWhatWasSampled) {
  add("a:1|c");
  add("a:2:0.5|c");
  add("a:1|c|@0.1");
  add("b:-1|c");
  EXPECT_THAT(end(), ElementsAre(R"(counter","name":"a","value":13.5)",
                                 R"(counter","name":"b","value":-1)"));
  EXPECT_THAT(end(), IsEmpty()) << "nothing came";
  add("a:1|c");
  EXPECT_THAT(end(), ElementsAre(R"(counter","name":"a","value":1)"));
}

TEST_F(StatsdMetricsTest, GaugesKeepTheirValue) {
  add("a:333|g");
  add("a:-10:+4|g");
  EXPECT_THAT(end(), ElementsAre(R"(gauge","name":"a","value":327)"));
  EXPECT_THAT(end(), IsEmpty()) << "it is as it was";
  add("a:+1|g");
  EXPECT_THAT(end(), ElementsAre(R"(gauge","name":"a","value":328)"));
}

TEST_F(StatsdMetricsTest, TimingsHaveTheirPercentiles) {
  for (int i = 100; i >= 1; --i) add(fmt::format("a:{}|ms", i));
  add("b:7|h");
  add("c:1:2|d");
  EXPECT_THAT(
      end(),
      ElementsAre(R"(timer","name":"a","count":100,"sum":5050,"min":1,"max":100,"mean":50.5,)"
                  R"("p50":50,"p90":90,"p95":95,"p99":99)",
                  R"(histogram","name":"b","count":1,"sum":7,"min":7,"max":7,"mean":7,)"
                  R"("p50":7,"p90":7,"p95":7,"p99":7)",
                  R"(distribution","name":"c","count":2,"sum":3,"min":1,"max":2,"mean":1.5,)"
                  R"("p50":1,"p90":2,"p95":2,"p99":2)"));
}

TEST_F(StatsdMetricsTest, ASampledTimingStandsForSeveral) {
  add("a:10|ms|@0.1");
  add("a:20|ms");
  EXPECT_THAT(end(),
              ElementsAre(R"(timer","name":"a","count":11,"sum":120,"min":10,"max":20,)"
                          R"("mean":10.909090909090908,"p50":10,"p90":10,"p95":20,"p99":20)"));
}

TEST_F(StatsdMetricsTest, SetsCountTheirMembersOnce) {
  for (const char* const line : {"a:x|s", "a:y|s", "a:x|s"}) add(line);
  EXPECT_THAT(end(), ElementsAre(R"(set","name":"a","value":2)"));
  add("a:x|s");
  EXPECT_THAT(end(), ElementsAre(R"(set","name":"a","value":1)"));
}

TEST_F(StatsdMetricsTest, TagsAndTypesTellMetricsApart) {
  for (const char* const line :
       {"a:1|c", "a:1|g", "a:1|c|#y:2,x:1", "a:1|c|#x:1,y:2", "a:1|c|#x:1,x:a\"b,z"})
    add(line);
  EXPECT_THAT(end(),
              ElementsAre(R"(counter","name":"a","value":1)", R"(gauge","name":"a","value":1)",
                          R"(counter","name":"a","tags":{"x":["1","a\"b"],"z":true},"value":1)",
                          R"(counter","name":"a","tags":{"x":"1","y":"2"},"value":2)"));
}

TEST_F(StatsdMetricsTest, WhatOverflowsIsNull) {
  add("a:1e308|c|@0.001");
  EXPECT_THAT(end(), ElementsAre(R"(counter","name":"a","value":null)"));
}

TEST_F(StatsdMetricsTest, DropsMetricsThatThereIsNoRoomFor) {
  for (std::size_t i = 0; i < StatsdMetrics::kMetricsMax; ++i)
    EXPECT_EQ(add(fmt::format("m{}:1|c", i)), 0u);
  EXPECT_EQ(add("more:1:2|c"), 2u);
  EXPECT_EQ(add("m7:1|c"), 0u);
  EXPECT_EQ(end().size(), StatsdMetrics::kMetricsMax);
  EXPECT_EQ(add("more:1|c"), 0u);
}

TEST_F(StatsdMetricsTest, SilentGaugesMakeRoom) {
  for (std::size_t i = 0; i < StatsdMetrics::kMetricsMax; ++i) add(fmt::format("m{}:5|g", i));
  EXPECT_EQ(add("more:1|c"), 1u) << "none of them is silent";
  end();
  add("m1:+1|g");
  EXPECT_EQ(add("more:1|c"), 0u);
  add("m2:+1|g");
  EXPECT_THAT(end(),
              ElementsAre(R"(gauge","name":"m1","value":6)", R"(gauge","name":"m2","value":1)",
                          R"(counter","name":"more","value":1)"));
}

TEST_F(StatsdMetricsTest, NamesAndTagsAreBounded) {
  const std::string tags(kStatsdTagsBytesMax - 10, 't');
  std::size_t dropped = 0;
  for (int i = 0; i < 3000; ++i) dropped += add(fmt::format("a:1|c|#{}{}", tags, i));
  const auto records = end();
  EXPECT_EQ(records.size() + dropped, 3000u);
  EXPECT_LE(records.size() * tags.size(), StatsdMetrics::kNameBytesMax);
  EXPECT_GT(records.size(), 2000u);
  EXPECT_EQ(add("a:1|c|#" + tags), 0u) << "there is room again";
}

// Of more values than are held, percentiles are near, and all else is exact.
TEST_F(StatsdMetricsTest, ValuesAreBounded) {
  for (int i = 1; i <= 50'000; ++i) add(fmt::format("a:{}|ms", i));
  const auto records = end();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_THAT(records.front(),
              StartsWith(R"(timer","name":"a","count":50000,"sum":1250025000,"min":1,"max":50000,)"
                         R"("mean":25000.5,"p50":)"));
  const auto at = records.front().find(R"("p50":)") + 6;
  EXPECT_NEAR(std::stod(records.front().substr(at)), 25'000, 2'500);
}

TEST_F(StatsdMetricsTest, WhatAllOfThemHoldIsBounded) {
  std::size_t dropped = 0;
  for (std::size_t i = 0; i < StatsdMetrics::kHeldMax + 10; ++i)
    dropped += add(fmt::format("a:{}|s", i));
  EXPECT_EQ(dropped, 10u);
  EXPECT_EQ(add("t:1:9:9|ms"), 0u);
  const auto records = end();
  EXPECT_EQ(records.front(), fmt::format(R"(set","name":"a","value":{})", StatsdMetrics::kHeldMax));
  EXPECT_THAT(records.back(), StartsWith(R"(timer","name":"t","count":3,"sum":19,)"));
  EXPECT_EQ(add("a:x|s"), 0u) << "there is room again";
}

}  // namespace
}  // namespace spillway::broker
