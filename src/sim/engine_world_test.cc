#include "sim/engine_world.h"

#include <gtest/gtest.h>

namespace spillway::sim {
namespace {

// The ground of everything else here: a seed is a history, so that a failure can be had again.
TEST(EngineWorldTest, ASeedRunTwiceHasTheSameHistory) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const auto first = run_world({.seed = seed, .crashes = 10});
    const auto second = run_world({.seed = seed, .crashes = 10});
    ASSERT_TRUE(first.status.ok()) << "seed " << seed << ": " << first.status.error().message;
    EXPECT_GT(first.events, 1000U);
    EXPECT_EQ(first.events, second.events) << "seed " << seed;
    EXPECT_EQ(first.history, second.history) << "seed " << seed;
  }
}

TEST(EngineWorldTest, SeedsDiffer) {
  EXPECT_NE(run_world({.seed = 1, .crashes = 3}).history,
            run_world({.seed = 2, .crashes = 3}).history);
}

}  // namespace
}  // namespace spillway::sim
