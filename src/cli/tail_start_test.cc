#include "cli/tail_start.h"

#include <gtest/gtest.h>

namespace spillway::cli {
namespace {

using client::IteratorType;

const WallTime kNow = from_millis(1606312800000);  // 2020-11-25T14:00:00Z

TEST(TailStart, Words) {
  EXPECT_EQ(parse_tail_start("trim", kNow)->from.type, IteratorType::kTrimHorizon);
  EXPECT_EQ(parse_tail_start("latest", kNow)->from.type, IteratorType::kLatest);
}

TEST(TailStart, Times) {
  const std::pair<const char*, std::int64_t> cases[] = {
      {"2020-11-25T14:00:00Z", 0},
      {"2020-11-25 14:00:00z", 0},
      {"2020-11-25T14:00:00.25Z", 250},
      {"2020-11-25T14:00:00.123456789Z", 123},
      {"2020-11-25T15:30:00+01:30", 0},
      {"2020-11-24T23:00:00-15:00", 0},
      {"2020-12-25T14:00:00Z", 30LL * 86400 * 1000},
      {"1970-01-01T00:00:00+01:00", -to_millis(kNow)},
      {"-0s", 0},
      {"-90s", -90'000},
      {"-10m", -600'000},
      {"-2h", -7'200'000},
      {"-1d", -86'400'000},
      {"-999999999d", -to_millis(kNow)},
  };
  for (const auto& [text, millis] : cases) {
    const auto start = parse_tail_start(text, kNow);
    ASSERT_TRUE(start.ok()) << text;
    EXPECT_EQ(start->from.type, IteratorType::kAtTimestamp) << text;
    EXPECT_EQ((start->from.timestamp - kNow).count(), millis) << text;
  }
}

TEST(TailStart, ASequenceNumberNamesItsShard) {
  constexpr const char* kDigits = "49590338271490256608559692538361571095921575989136588898";
  const auto start = parse_tail_start(kDigits, kNow);
  ASSERT_TRUE(start.ok());
  EXPECT_EQ(start->from.type, IteratorType::kAtSequenceNumber);
  EXPECT_EQ(start->from.sequence_number, kDigits);
  EXPECT_EQ(start->shard_id, "shardId-000000000006");
}

TEST(TailStart, OthersAreRefused) {
  for (const char* text : {"",
                           "now",
                           "TRIM",
                           "10m",
                           "-m",
                           "-10",
                           "-10w",
                           "-1.5h",
                           "- 1h",
                           "-1234567890s",
                           "0",
                           "123",
                           "2020-11-25",
                           "2020-11-25T14:00:00",
                           "2020-11-25T14:00Z",
                           "2020-11-31T14:00:00Z",
                           "2020-13-01T14:00:00Z",
                           "2020-11-25T24:00:00Z",
                           "2020-11-25T14:00:00.Z",
                           "2020-11-25T14:00:00+1:00",
                           "2020-11-25T14:00:00Zx",
                           "20201125T140000Z"}) {
    const auto start = parse_tail_start(text, kNow);
    ASSERT_FALSE(start.ok()) << text;
    EXPECT_EQ(start.error().code, ErrorCode::kInvalid);
  }
}

}  // namespace
}  // namespace spillway::cli
