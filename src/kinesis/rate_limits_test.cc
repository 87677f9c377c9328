#include "kinesis/rate_limits.h"

#include <gtest/gtest.h>

#include <vector>

namespace spillway::kinesis {
namespace {

constexpr MonoTime kStart{std::chrono::hours(5)};
constexpr std::size_t kMiB = std::size_t{1} << 20;

TEST(RateLimits, NoneTakesEverythingAndKeepsNothing) {
  RateLimits limits(Limits::kNone);
  const std::vector<std::size_t> sizes(5000, kMiB);
  EXPECT_EQ(limits.take_records(1, sizes, kStart), 5000u);
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(limits.take_read(1, kStart));
    limits.count_read(1, 10 * kMiB, kStart);
    EXPECT_TRUE(limits.take_iterator(1, kStart));
    EXPECT_TRUE(limits.take_subscription(1, 2, kStart));
    EXPECT_TRUE(limits.take_call("DescribeLimits", "", kStart));
    limits.add_daily(DailyQuota::kUpdateStreamMode, 1, kStart);
    EXPECT_TRUE(limits.has_daily(DailyQuota::kUpdateStreamMode, 1, kStart));
  }
  EXPECT_EQ(limits.size(), 0u);
}

TEST(RateLimits, AShardTakesAThousandRecordsASecond) {
  RateLimits limits(Limits::kAws);
  const std::vector<std::size_t> small(600, 10);
  EXPECT_EQ(limits.take_records(1, small, kStart, true), 600u);
  EXPECT_EQ(limits.take_records(1, small, kStart), 600u);
  EXPECT_EQ(limits.take_records(1, small, kStart), 400u) << "the first ones";
  EXPECT_EQ(limits.take_records(1, small, kStart), 0u);
  EXPECT_EQ(limits.take_records(2, small, kStart), 600u) << "each shard has its own";
  EXPECT_EQ(limits.take_records(1, small, kStart + milliseconds(100)), 100u);
}

TEST(RateLimits, AShardTakesAMebibyteASecond) {
  RateLimits limits(Limits::kAws);
  const std::vector<std::size_t> large(3, kMiB / 2);
  EXPECT_EQ(limits.take_records(1, large, kStart), 2u);
  EXPECT_EQ(limits.take_records(1, large, kStart + milliseconds(499)), 0u);
  EXPECT_EQ(limits.take_records(1, large, kStart + milliseconds(500)), 1u);
  const std::vector<std::size_t> largest(1, 10 * kMiB);
  EXPECT_EQ(limits.take_records(2, largest, kStart), 1u) << "and it owes ten seconds";
  EXPECT_EQ(limits.take_records(2, std::vector<std::size_t>{1}, kStart + seconds(9)), 0u);
  EXPECT_EQ(limits.take_records(2, largest, kStart + seconds(10)), 1u);
}

TEST(RateLimits, AShardIsReadFiveTimesASecond) {
  RateLimits limits(Limits::kAws);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(limits.take_read(1, kStart));
  EXPECT_FALSE(limits.take_read(1, kStart));
  EXPECT_TRUE(limits.take_read(1, kStart + milliseconds(200), true));
  EXPECT_TRUE(limits.take_read(1, kStart + milliseconds(200)));
  EXPECT_FALSE(limits.take_read(1, kStart + milliseconds(200)));
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(limits.take_iterator(1, kStart));
  EXPECT_FALSE(limits.take_iterator(1, kStart));
}

TEST(RateLimits, AShardGivesTwoMebibytesASecond) {
  RateLimits limits(Limits::kAws);
  EXPECT_TRUE(limits.take_read(1, kStart));
  limits.count_read(1, 2 * kMiB, kStart);
  EXPECT_FALSE(limits.take_read(1, kStart));
  EXPECT_TRUE(limits.take_read(1, kStart + milliseconds(1)));
  limits.count_read(1, 10 * kMiB, kStart + seconds(10));
  EXPECT_FALSE(limits.take_read(1, kStart + milliseconds(14'999)));
  EXPECT_TRUE(limits.take_read(1, kStart + milliseconds(15'001)));
}

TEST(RateLimits, CallsAreCountedByAccountOrStream) {
  RateLimits limits(Limits::kAws);
  const auto taken = [&](std::string_view operation, std::string_view stream) {
    int calls = 0;
    while (calls < 5000 && limits.take_call(operation, stream, kStart)) ++calls;
    return calls;
  };
  EXPECT_EQ(taken("DescribeLimits", ""), 1);
  EXPECT_EQ(taken("DescribeStream", "a"), 10);
  EXPECT_EQ(taken("DescribeStream", "b"), 0) << "of the account";
  EXPECT_EQ(taken("ListShards", "a"), 1000);
  EXPECT_EQ(taken("ListShards", "b"), 1000) << "of each stream";
  EXPECT_EQ(taken("CreateStream", "a"), 5);
  EXPECT_EQ(taken("UpdateMaxRecordSize", "a"), 5) << "one that the table doesn't name";
  EXPECT_EQ(taken("PutRecords", "a"), 5000) << "its shards have limits";
  EXPECT_TRUE(limits.take_call("CreateStream", "a", kStart + milliseconds(200)));
}

TEST(RateLimits, SomeThingsAreDoneAFewTimesADay) {
  RateLimits limits(Limits::kAws);
  for (const auto& [quota, most] : {std::pair(DailyQuota::kUpdateShardCount, 10),
                                    std::pair(DailyQuota::kUpdateStreamMode, 2)}) {
    for (int i = 0; i < most; ++i) {
      EXPECT_TRUE(limits.has_daily(quota, 1, kStart));
      limits.add_daily(quota, 1, kStart);
    }
    EXPECT_FALSE(limits.has_daily(quota, 1, kStart + std::chrono::hours(23)));
    EXPECT_TRUE(limits.has_daily(quota, 2, kStart));
    EXPECT_TRUE(limits.has_daily(quota, 1, kStart + std::chrono::hours(24)));
  }
}

TEST(RateLimits, ForgetsWhatIsUnused) {
  RateLimits limits(Limits::kAws);
  limits.take_records(1, std::vector<std::size_t>{100}, kStart);
  limits.take_read(2, kStart);
  limits.take_call("ListShards", "a", kStart);
  limits.take_subscription(1, 2, kStart);
  limits.add_daily(DailyQuota::kUpdateShardCount, 1, kStart);
  EXPECT_EQ(limits.size(), 5u);
  limits.forget_unused(kStart + seconds(2));
  EXPECT_EQ(limits.size(), 1u) << "the day is not over";
  limits.forget_unused(kStart + std::chrono::hours(24));
  EXPECT_EQ(limits.size(), 0u);
}

TEST(RateLimits, IsBoundedWhateverStreamsAreNamed) {
  RateLimits limits(Limits::kAws);
  for (int i = 0; i < 30'000; ++i)
    limits.take_call("ListShards", std::to_string(i), kStart + nanoseconds(i));
  EXPECT_LE(limits.size(), 10'000u);
  EXPECT_TRUE(limits.take_call("ListShards", "a", kStart + seconds(1)));
}

}  // namespace
}  // namespace spillway::kinesis
