#include "broker/recent_rate.h"

#include <gtest/gtest.h>

namespace spillway::broker {
namespace {

TEST(RecentRate, IsThatOfTheLastMinute) {
  RecentRate rate;
  EXPECT_EQ(rate.per_second(), 0);
  MonoTime now{};
  std::uint64_t count = 5000;  // before the first look
  const auto pass = [&](int duration, std::uint64_t a_second) {
    for (int i = 0; i < duration; ++i) {
      rate.look(count, now);
      now += seconds(1);
      count += a_second;
    }
  };
  pass(1, 10);
  EXPECT_EQ(rate.per_second(), 0) << "nothing is known yet";
  pass(5, 10);
  EXPECT_EQ(rate.over(), seconds(5));
  EXPECT_DOUBLE_EQ(rate.per_second(), 10);
  pass(100, 10);
  EXPECT_EQ(rate.over(), RecentRate::kOver);
  pass(31, 30);
  EXPECT_DOUBLE_EQ(rate.per_second(), 20) << "half of the minute";
  pass(100, 0);
  EXPECT_EQ(rate.grown(), 0u);
}

TEST(RecentRate, LooksMayComeSeldom) {
  RecentRate rate;
  rate.look(0, MonoTime{});
  rate.look(90, MonoTime{seconds(90)});
  EXPECT_DOUBLE_EQ(rate.per_second(), 1);
  rate.look(90, MonoTime{seconds(180)});
  EXPECT_DOUBLE_EQ(rate.per_second(), 0);
}

TEST(RecentRate, ACountThatFallsBeginsAnew) {
  RecentRate rate;
  rate.look(500, MonoTime{});
  rate.look(7, MonoTime{seconds(1)});
  EXPECT_EQ(rate.over(), nanoseconds(0));
  rate.look(9, MonoTime{seconds(2)});
  EXPECT_DOUBLE_EQ(rate.per_second(), 2);
}

}  // namespace
}  // namespace spillway::broker
