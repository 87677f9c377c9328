#include "base/rfc3339.h"

namespace spillway {
namespace {

TEST(Rfc3339, ReadsWhatItWrites) {
  const auto time = from_millis(1'606'312'800'123);
  EXPECT_EQ(rfc3339_millis(time), "2020-11-25T14:00:00.123Z");
  EXPECT_EQ(rfc3339_seconds(time), "2020-11-25T14:00:00Z");
  EXPECT_EQ(parse_rfc3339("2020-11-25T14:00:00.123Z"), time);
  EXPECT_EQ(parse_rfc3339("2020-11-25T14:00:00Z"), time - milliseconds(123));
  EXPECT_EQ(rfc3339_millis(from_millis(5)), "1970-01-01T00:00:00.005Z");
  EXPECT_EQ(rfc3339_millis(from_millis(-1)), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(parse_rfc3339("1969-12-31T23:59:59.999Z"), from_millis(-1));
}

TEST(Rfc3339, RefusesWhatItDoesNotWrite) {
  for (const char* text :
       {"", "2020-11-25", "2020-11-25T14:00:00", "2020-11-25T14:00:00+00:00",
        "2020-11-25t14:00:00Z", "2020-11-25 14:00:00Z", "2020-02-30T14:00:00Z",
        "2020-13-01T14:00:00Z", "2020-11-25T24:00:00Z", "2020-11-25T14:60:00Z",
        "2020-11-25T14:00:60Z", "2020-11-25T14:00:00.12Z", "2020-11-25T14:00:00.1234Z"})
    EXPECT_FALSE(parse_rfc3339(text)) << text;
}

}  // namespace
}  // namespace spillway
