#include "broker/partition_key.h"

#include <gtest/gtest.h>

#include <string>

namespace spillway::broker {
namespace {

TEST(IsPartitionKey, CountsCharactersAsTheApiDoes) {
  std::string emoji;
  for (int i = 0; i < 128; ++i) emoji += "\xf0\x9f\x98\x80";  // two units of UTF-16 each
  EXPECT_TRUE(is_partition_key(emoji));
  EXPECT_FALSE(is_partition_key(emoji + "a"));
  EXPECT_FALSE(is_partition_key(""));
  EXPECT_FALSE(is_partition_key("\xff"));
}

}  // namespace
}  // namespace spillway::broker
