#include "stream/hash_key.h"

#include <gtest/gtest.h>

namespace spillway::stream {
namespace {

TEST(HashKey, IsTheMd5OfThePartitionKey) {
  EXPECT_EQ(to_string(hash_key_of("")), "281949768489412648962353822266799178366");  // d41d8cd9…
}

TEST(HashKey, ALaneIsItsTop) {
  EXPECT_EQ(lane_of(0), 0);
  EXPECT_EQ(lane_of(kUint128Max), 255);
  EXPECT_EQ(lane_of(Uint128{85} << 120 | 7), 85);
}

}  // namespace
}  // namespace spillway::stream
