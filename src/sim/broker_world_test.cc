#include "sim/broker_world.h"

#include <gtest/gtest.h>

namespace spillway::sim {
namespace {

BrokerWorldResult run(std::uint64_t seed) {
  BrokerWorldOptions options;
  options.seed = seed;
  options.faults_for = std::chrono::minutes(3);
  return run_broker_world(options);
}

TEST(BrokerWorldTest, ASeedRunTwiceHasTheSameHistory) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const auto first = run(seed);
    const auto second = run(seed);
    ASSERT_TRUE(first.status.ok()) << "seed " << seed << ": " << first.status.error().message;
    EXPECT_GT(first.events, 1000U);
    EXPECT_EQ(first.events, second.events) << "seed " << seed;
    EXPECT_EQ(first.history, second.history) << "seed " << seed;
  }
}

TEST(BrokerWorldTest, SeedsDiffer) { EXPECT_NE(run(1).history, run(2).history); }

// What the numbers stand for came about.
TEST(BrokerWorldTest, RecordsAreDeliveredCopiedAndHandedOver) {
  BrokerCoverage coverage;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) coverage.add(run(seed).coverage);
  EXPECT_GE(coverage.faults_min, 6U);
  EXPECT_GE(coverage.switches_min, 1U);
  EXPECT_GT(coverage.copies, 0U);
  EXPECT_GT(coverage.backfilled, 0U);
  EXPECT_GT(coverage.handed_over_again, 0U);
  EXPECT_GT(coverage.unread, 0U);
  EXPECT_GE(coverage.handed_over, coverage.acknowledged * 9 / 10) << "but for poison";
}

// Likewise, of what comes in some seeds alone.
TEST(BrokerWorldTest, SpoolsDropAndRegionsAreSetBackAndTargetsChange) {
  BrokerCoverage coverage;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    BrokerWorldOptions options;
    options.seed = seed;
    const auto result = run_broker_world(options);
    EXPECT_TRUE(result.status.ok()) << "seed " << seed;
    coverage.add(result.coverage);
  }
  EXPECT_GT(coverage.dropped, 0U);
  EXPECT_GT(coverage.lost, 0U);
  EXPECT_GT(coverage.set_backs_noticed, 0U);
  EXPECT_GT(coverage.faults["region set back"], 0U);
  EXPECT_GT(coverage.faults["broker's targets changed"], 0U);
}

}  // namespace
}  // namespace spillway::sim
