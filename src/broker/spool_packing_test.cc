#include "broker/spool_packing.h"

#include <gtest/gtest.h>

namespace spillway::broker {
namespace {

class SpoolPackingTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kFew = 1000;  // bytes

  // A second later: delivered to `next`, of what ends at `end`.
  bool packs(std::uint64_t next, std::uint64_t end, std::uint64_t bytes = kFew) {
    now_ += seconds(1);
    packing_.look({{7, {{next}, {end}}}}, bytes, now_);
    return packing_.packs();
  }

  SpoolPacking packing_;
  MonoTime now_{};
};

TEST_F(SpoolPackingTest, WhatIsDeliveredWithinAMinuteIsNotPacked) {
  for (std::uint64_t i = 1; i < 1000; ++i) EXPECT_FALSE(packs(i, i + 50)) << i;
}

TEST_F(SpoolPackingTest, AnOutageThatLastsIsPacked) {
  ASSERT_FALSE(packs(5, 6));
  for (std::uint64_t i = 1; i < 60; ++i) ASSERT_FALSE(packs(5, 6 + i)) << i;
  EXPECT_TRUE(packs(5, 100));
  EXPECT_TRUE(packs(5, 200));
  EXPECT_FALSE(packs(6, 300)) << "records are delivered, and all may be soon";
  for (std::uint64_t i = 1; i < 60; ++i) ASSERT_FALSE(packs(6 + i, 300 + i)) << i;
  EXPECT_TRUE(packs(150, 400)) << "they were not within a minute";
}

TEST_F(SpoolPackingTest, TooManyFilesArePackedAtAnyTime) {
  EXPECT_FALSE(packs(1, 1, SpoolPacking::kUnpackedBytesMax - 1));
  EXPECT_TRUE(packs(2, 2, SpoolPacking::kUnpackedBytesMax));
  EXPECT_FALSE(packs(3, 3));
}

}  // namespace
}  // namespace spillway::broker
