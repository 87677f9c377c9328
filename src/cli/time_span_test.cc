#include "cli/time_span.h"

#include <gtest/gtest.h>

namespace spillway::cli {
namespace {

TEST(TimeSpan, HasANumberAndAUnit) {
  EXPECT_EQ(*parse_time_span("90s"), seconds(90));
  EXPECT_EQ(*parse_time_span("5m"), seconds(300));
  EXPECT_EQ(*parse_time_span("12h"), seconds(43'200));
  EXPECT_EQ(*parse_time_span("7d"), seconds(604'800));
  for (const char* bad : {"", "5", "m", "0s", "-1s", "1.5h", "5 m", "5w", "9999999999s", "5ms"})
    EXPECT_FALSE(parse_time_span(bad).ok()) << bad;
}

}  // namespace
}  // namespace spillway::cli
