#include "base/nearest_name.h"

#include <gtest/gtest.h>

#include <array>

namespace spillway {
namespace {

constexpr std::array<std::string_view, 4> kNames = {"put", "serve", "serve.region", "streams"};

TEST(NearestName, IsWhatIsFewEditsAway) {
  EXPECT_EQ(nearest_name("serv", kNames), "serve");
  EXPECT_EQ(nearest_name("stream", kNames), "streams");
  EXPECT_EQ(nearest_name("region", kNames), "serve.region");
  EXPECT_EQ(did_you_mean("serv", kNames), "; did you mean \"serve\"?");
}

TEST(NearestName, IsNoneThatNobodyCouldMean) {
  EXPECT_EQ(nearest_name("foo", kNames), "");
  EXPECT_EQ(nearest_name("", kNames), "");
  EXPECT_EQ(nearest_name("serve", {}), "");
  EXPECT_EQ(did_you_mean("deploy", kNames), "");
}

}  // namespace
}  // namespace spillway
