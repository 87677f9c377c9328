#include "stream/rate.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace spillway::stream {
namespace {

constexpr MonoTime kStart{std::chrono::hours(5)};
constexpr Rate kFive{5, 5};

TEST(Bucket, GivesABurstAndThenTheRate) {
  Bucket bucket;
  MonoTime now = kStart;
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(bucket.has(kFive, 1, now)) << i;
    bucket.take(kFive, 1, now);
  }
  EXPECT_FALSE(bucket.has(kFive, 1, now));
  EXPECT_FALSE(bucket.has(kFive, 1, now + milliseconds(199)));
  EXPECT_TRUE(bucket.has(kFive, 1, now + milliseconds(200)));
  EXPECT_FALSE(bucket.has(kFive, 2, now + milliseconds(200)));
  EXPECT_TRUE(bucket.has(kFive, 5, now + seconds(1)));
}

TEST(Bucket, WhatIsLargerThanTheBurstIsOwed) {
  constexpr Rate kMib{1 << 20, 1 << 20};
  Bucket bucket;
  EXPECT_TRUE(bucket.has(kMib, 10 << 20, kStart));
  bucket.take(kMib, 10 << 20, kStart);
  EXPECT_FALSE(bucket.has(kMib, 1, kStart + milliseconds(9000)));
  EXPECT_TRUE(bucket.has(kMib, 1, kStart + milliseconds(9001)));
  EXPECT_FALSE(bucket.has(kMib, 10 << 20, kStart + milliseconds(9999)));
  EXPECT_TRUE(bucket.has(kMib, 10 << 20, kStart + seconds(10)));
}

TEST(Bucket, IsUnusedWhenItIsFullAgain) {
  Bucket bucket;
  EXPECT_TRUE(bucket.unused(kStart));
  bucket.take(kFive, 2, kStart);
  EXPECT_FALSE(bucket.unused(kStart + milliseconds(399)));
  EXPECT_TRUE(bucket.unused(kStart + milliseconds(400)));
}

// Whatever is asked for and when: in any time t, at most burst + rate·t is given.
TEST(Bucket, NeverGivesMoreThanBurstAndRate) {
  Random random(7);
  constexpr Rate kRate{1000, 300};
  Bucket bucket;
  MonoTime now = kStart;
  std::int64_t given = 0;
  for (int i = 0; i < 10'000; ++i) {
    now += nanoseconds(static_cast<std::int64_t>(random.below(2'000'000)));
    const auto amount = static_cast<std::int64_t>(random.below(20)) + 1;
    if (bucket.has(kRate, amount, now)) {
      bucket.take(kRate, amount, now);
      given += amount;
    }
    const auto elapsed_ms = std::chrono::duration_cast<milliseconds>(now - kStart).count();
    ASSERT_LE(given, kRate.burst + elapsed_ms + 1);
  }
  EXPECT_GT(given, 9'000) << "10 seconds at 1,000 a second";
}

TEST(RollingCount, CountsWhatThePeriodHolds) {
  constexpr nanoseconds kDay = std::chrono::hours(24);
  RollingCount done;
  EXPECT_EQ(done.count(kDay, kStart), 0u);
  done.add(kDay, kStart);
  done.add(kDay, kStart + std::chrono::hours(1));
  EXPECT_EQ(done.count(kDay, kStart + std::chrono::hours(23)), 2u);
  EXPECT_EQ(done.count(kDay, kStart + kDay), 1u);
  EXPECT_EQ(done.count(kDay, kStart + kDay + std::chrono::hours(1)), 0u);
}

}  // namespace
}  // namespace spillway::stream
