#include "metrics/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <thread>

#include "metrics/owned_gauge.h"

namespace spillway::metrics {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Registry, GivesTheSameObjectForTheSameNameAndLabels) {
  Registry registry;
  auto& a = registry.counter("spillway_puts_total", "Puts.", {{"op", "PutRecord"}});
  auto& b = registry.counter("spillway_puts_total", "Puts.", {{"op", "PutRecord"}});
  auto& c = registry.counter("spillway_puts_total", "Puts.", {{"op", "PutRecords"}});
  EXPECT_EQ(&a, &b);
  EXPECT_NE(&a, &c);
}

TEST(Registry, WritesFamiliesAndSeriesInOrder) {
  Registry registry;
  registry.gauge("spillway_b", "Second.").set(-3);
  registry.counter("spillway_a_total", "First\nline \\.", {{"x", "2"}}).add(2);
  registry.counter("spillway_a_total", "", {{"x", "1\"\n\\"}}).add();
  EXPECT_EQ(registry.prometheus_text(),
            "# HELP spillway_a_total First\\nline \\\\.\n"
            "# TYPE spillway_a_total counter\n"
            "spillway_a_total{x=\"1\\\"\\n\\\\\"} 1\n"
            "spillway_a_total{x=\"2\"} 2\n"
            "# HELP spillway_b Second.\n"
            "# TYPE spillway_b gauge\n"
            "spillway_b -3\n");
}

TEST(Registry, WritesHistogramsInSeconds) {
  Registry registry;
  auto& histogram = registry.histogram("spillway_put_seconds", "Puts.", {{"op", "x"}});
  histogram.record(milliseconds{3});
  histogram.record(milliseconds{200});
  const auto text = registry.prometheus_text();
  EXPECT_THAT(text, HasSubstr("# TYPE spillway_put_seconds histogram\n"));
  EXPECT_THAT(text, HasSubstr("spillway_put_seconds_bucket{op=\"x\",le=\"0.0025\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("spillway_put_seconds_bucket{op=\"x\",le=\"0.005\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("spillway_put_seconds_bucket{op=\"x\",le=\"0.25\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("spillway_put_seconds_bucket{op=\"x\",le=\"+Inf\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("spillway_put_seconds_sum{op=\"x\"} 0.203\n"));
  EXPECT_THAT(text, HasSubstr("spillway_put_seconds_count{op=\"x\"} 2\n"));
}

TEST(Registry, AsksComputedGaugesUntilTheirHandleIsGone) {
  Registry registry;
  auto handle = registry.computed_gauge("spillway_free_bytes", "Free.", {}, [&registry] {
    return static_cast<double>(registry.gauge("spillway_other", "May be asked inside.").value()) +
           1.5;
  });
  EXPECT_THAT(registry.prometheus_text(), HasSubstr("spillway_free_bytes 1.5\n"));
  handle.reset();
  EXPECT_THAT(registry.prometheus_text(), Not(HasSubstr("spillway_free_bytes")));
}

TEST(Registry, AnOwnedGaugeIsShownForAsLongAsItIsThere) {
  Registry registry;
  auto up = std::make_unique<OwnedGauge>(registry, "spillway_up", "Up.", Labels{{"target", "a"}});
  up->set(1);
  EXPECT_THAT(registry.prometheus_text(), HasSubstr("spillway_up{target=\"a\"} 1\n"));
  up.reset();
  EXPECT_THAT(registry.prometheus_text(), Not(HasSubstr("spillway_up")));
  const OwnedGauge again(registry, "spillway_up", "Up.", {{"target", "a"}});
  EXPECT_THAT(registry.prometheus_text(), HasSubstr("spillway_up{target=\"a\"} 0\n"));
}

TEST(Registry, AsksForTheSeriesOfAFamilyThatComeAndGo) {
  Registry registry;
  std::map<std::string, int> shards = {{"0", 5}, {"1", 7}};
  auto handle = registry.collected(SeriesType::kCounter, "spillway_in_total", "In.",
                                   [&shards](const AddSeries& add) {
                                     for (const auto& [shard, count] : shards)
                                       add({{"stream", "s"}, {"shard", shard}}, count);
                                   });
  EXPECT_THAT(registry.prometheus_text(),
              HasSubstr("# HELP spillway_in_total In.\n# TYPE spillway_in_total counter\n"
                        "spillway_in_total{stream=\"s\",shard=\"0\"} 5\n"
                        "spillway_in_total{stream=\"s\",shard=\"1\"} 7\n"));
  shards.erase("0");
  EXPECT_THAT(registry.prometheus_text(), Not(HasSubstr("shard=\"0\"")));
  shards.clear();
  EXPECT_THAT(registry.prometheus_text(), Not(HasSubstr("spillway_in_total")));
  shards["2"] = 1;
  handle.reset();
  EXPECT_THAT(registry.prometheus_text(), Not(HasSubstr("spillway_in_total")));
}

TEST(Registry, AHandleMayOutliveIt) {
  std::shared_ptr<void> handle;
  {
    Registry registry;
    handle = registry.computed_gauge("spillway_x", "X.", {}, [] { return 1.0; });
  }
  handle.reset();
}

TEST(Registry, CountsFromSeveralThreads) {
  Registry registry;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&registry] {
      auto& counter = registry.counter("spillway_n_total", "N.");
      for (int n = 0; n < 10'000; ++n) counter.add();
      (void)registry.prometheus_text();
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(registry.counter("spillway_n_total", "N.").value(), 40'000u);
}

}  // namespace
}  // namespace spillway::metrics
