#include "engine/embedded/fair_turn.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <vector>

#include "base/random.h"

namespace spillway::engine {
namespace {

constexpr std::uint64_t kShare = 1000;

std::vector<log::Entry> append_to(std::initializer_list<stream::ShardId> shards,
                                  std::size_t size = 100) {
  std::vector<log::Entry> entries;
  for (const auto shard : shards) {
    log::Entry& entry = entries.emplace_back();
    entry.batch.shard = shard;
    entry.batch.owner = SharedBytes::copy_of(std::string(size, 'x'));
    entry.batch.payload = entry.batch.owner.view();
  }
  return entries;
}

TEST(FairTurn, AShardHasItsShareAndOthersGoOn) {
  FairTurn turn(kShare);
  int taken = 0;
  for (int i = 0; i < 100; ++i) taken += turn.take(append_to({1})) ? 1 : 0;
  EXPECT_GT(taken, 3);
  EXPECT_LT(taken, 11);
  EXPECT_TRUE(turn.any_waits());
  EXPECT_TRUE(turn.take(append_to({2})));
  EXPECT_FALSE(turn.take(append_to({1}, 1))) << "however small it is: those before it wait";
}

TEST(FairTurn, AFirstAppendGoesHoweverLargeItIs) {
  FairTurn turn(kShare);
  EXPECT_TRUE(turn.take(append_to({1}, 10 * kShare)));
  EXPECT_FALSE(turn.take(append_to({1}, 1)));
  EXPECT_TRUE(turn.take(append_to({2}, 10 * kShare)));
}

TEST(FairTurn, WhatSharesAShardWithOneThatWaitsWaitsToo) {
  FairTurn turn(kShare);
  EXPECT_TRUE(turn.take(append_to({1}, kShare)));
  EXPECT_FALSE(turn.take(append_to({1, 2})));
  EXPECT_FALSE(turn.take(append_to({2, 3}))) << "behind the one before it, in shard 2";
  EXPECT_FALSE(turn.take(append_to({3})));
  EXPECT_TRUE(turn.take(append_to({4})));
}

// Whatever comes: within each shard, none goes before an earlier one.
TEST(FairTurn, KeepsTheOrderOfEachShard) {
  Random random(11);
  for (int round = 0; round < 200; ++round) {
    FairTurn turn(kShare);
    std::vector<bool> waits(8);
    for (int i = 0; i < 100; ++i) {
      const auto entries = append_to({random.below(4), 4 + random.below(4)}, random.below(400));
      const bool taken = turn.take(entries);
      for (const auto& entry : entries) {
        if (taken) {
          ASSERT_FALSE(waits[entry.batch.shard]);
        } else {
          waits[entry.batch.shard] = true;
        }
      }
    }
  }
}

}  // namespace
}  // namespace spillway::engine
