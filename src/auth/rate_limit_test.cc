#include "auth/rate_limit.h"

namespace spillway::auth {
namespace {

MonoTime at_ms(std::int64_t ms) { return MonoTime(milliseconds(ms)); }

TEST(RateLimiter, LetsASecondsWorthThroughAtOnceAndThenTheRate) {
  RateLimiter limiter({10, 0});
  int passed = 0;
  for (int i = 0; i < 20; ++i) passed += limiter.take_request(at_ms(5'000)) ? 1 : 0;
  EXPECT_EQ(passed, 10);
  EXPECT_FALSE(limiter.take_request(at_ms(5'099)));
  EXPECT_TRUE(limiter.take_request(at_ms(5'200)));
  passed = 0;
  for (int ms = 10'000; ms < 20'000; ++ms) passed += limiter.take_request(at_ms(ms)) ? 1 : 0;
  EXPECT_NEAR(passed, 10 + 100, 1);
}

TEST(RateLimiter, BytesArePaidForAfterwards) {
  RateLimiter limiter({0, 1'000});
  EXPECT_TRUE(limiter.take_request(at_ms(0)));
  limiter.pay(3'000);
  EXPECT_FALSE(limiter.take_request(at_ms(1'000)));
  EXPECT_FALSE(limiter.take_request(at_ms(2'000)));
  EXPECT_TRUE(limiter.take_request(at_ms(2'001)));
}

TEST(RateLimiter, AClockThatIsBehindGivesNothing) {
  RateLimiter limiter({1, 0});
  EXPECT_TRUE(limiter.take_request(at_ms(1'000)));
  EXPECT_FALSE(limiter.take_request(at_ms(0)));
  EXPECT_FALSE(limiter.take_request(at_ms(1'500)));
  EXPECT_TRUE(limiter.take_request(at_ms(2'000)));
}

}  // namespace
}  // namespace spillway::auth
