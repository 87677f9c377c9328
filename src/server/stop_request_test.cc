#include "server/stop_request.h"

#include <gtest/gtest.h>

#include <csignal>

namespace spillway::server {
namespace {

TEST(StopRequest, OnlyTheFirstBeginsTheEnd) {
  StopRequest stop;
  EXPECT_FALSE(stop.made());
  EXPECT_TRUE(stop.take(SIGINT, MonoTime(seconds(7))));
  EXPECT_TRUE(stop.made());
  EXPECT_FALSE(stop.take(SIGINT, MonoTime(seconds(7) + milliseconds(499))));
}

TEST(StopRequestDeathTest, ALaterOneEndsAtOnce) {
  StopRequest stop;
  EXPECT_TRUE(stop.take(SIGINT, MonoTime(seconds(7))));
  EXPECT_EXIT(stop.take(SIGTERM, MonoTime(seconds(7) + milliseconds(500))),
              testing::KilledBySignal(SIGTERM), "");
}

}  // namespace
}  // namespace spillway::server
