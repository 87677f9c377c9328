#include "broker/pace.h"

#include <gtest/gtest.h>

namespace spillway::broker {
namespace {

constexpr double kMiB = double{1 << 20};

class PaceTest : public testing::Test {
 protected:
  // `windows` of kLookEvery: in each so many MiB arrive, a MiB a put, each of which takes `took`,
  // and whoever delivers does so without end. MiB a second that may be sent in the last one.
  double pass(int windows, std::uint64_t arriving, nanoseconds took) {
    double sent = 0;
    for (int i = 0; i < windows; ++i) {
      sent = send_for(Pace::kLookEvery);
      accepted_.bytes += arriving << 20;
      accepted_.puts += arriving;
      accepted_.took += arriving * took;
      pace_.look(accepted_, now_);
    }
    return sent / std::chrono::duration<double>(Pace::kLookEvery).count();
  }

  Pace pace_;
  MonoTime now_{seconds(1000)};

 private:
  // At most a thousand MiB a second.
  double send_for(nanoseconds duration) {
    const MonoTime end = now_ + duration;
    double sent = 0;
    while (ready_at_ < end) {
      now_ = std::max(now_, ready_at_);
      ready_at_ = now_ + pace_.take(1 << 20, now_) + milliseconds(1);
      ++sent;
    }
    now_ = end;
    return sent;
  }

  Pace::Accepted accepted_;
  MonoTime ready_at_{seconds(1000)};
};

TEST_F(PaceTest, HasNoLimitWhileAcknowledgementsAreQuick) {
  EXPECT_NEAR(pass(50, 5, milliseconds(3)), 1000, 10);
  EXPECT_FALSE(pace_.yields());
}

TEST_F(PaceTest, SlowsDownStepByStepToWhatArrivesAndAQuarterMore) {
  pass(20, 5, milliseconds(1));
  pass(1, 5, milliseconds(20));
  EXPECT_TRUE(pace_.yields());
  EXPECT_NEAR(pass(1, 5, milliseconds(20)), 700, 100);
  // 50 MiB a second arrive.
  EXPECT_NEAR(pass(30, 5, milliseconds(20)), 1.25 * 50 + Pace::kRateMin / kMiB, 7);
}

TEST_F(PaceTest, GoesFasterStepByStepAndHasNoLimitInTheEnd) {
  pass(20, 5, milliseconds(1));
  const double slow = pass(30, 5, milliseconds(20));
  const double faster = pass(5, 5, milliseconds(1));
  EXPECT_GT(faster, 1.2 * slow);
  EXPECT_LT(faster, 2 * slow);
  pass(50, 5, milliseconds(1));
  EXPECT_FALSE(pace_.yields());
}

TEST_F(PaceTest, HasNoLimitWhereNothingArrives) {
  pass(20, 5, milliseconds(1));
  pass(30, 5, milliseconds(20));
  ASSERT_TRUE(pace_.yields());
  pass(1, 0, {});
  EXPECT_FALSE(pace_.yields());
}

TEST_F(PaceTest, TakesADiskThatIsAlwaysSlowAsItIs) {
  pass(100, 5, milliseconds(20));
  EXPECT_FALSE(pace_.yields()) << "it was never quicker";
  pass(1, 5, milliseconds(41));
  EXPECT_TRUE(pace_.yields()) << "it was";
}

TEST_F(PaceTest, ForgetsThatADiskWasQuicker) {
  pass(20, 5, milliseconds(1));
  EXPECT_NEAR(pass(600, 5, milliseconds(6)), 67, 10);
  pass(1000, 5, milliseconds(6));
  EXPECT_FALSE(pace_.yields());
}

TEST_F(PaceTest, LetsNoRequestWaitForLong) {
  pass(20, 5, milliseconds(1));
  pass(30, 5, milliseconds(20));
  for (int i = 0; i < 1000; ++i) EXPECT_LE(pace_.take(5 << 20, now_), Pace::kWaitMax);
}

TEST_F(PaceTest, CopiesGetWhatIsLeft) {
  EXPECT_EQ(pace_.take_spare(5 << 20, now_), nanoseconds(0));
  EXPECT_EQ(pace_.take_spare(5 << 20, now_), nanoseconds(0)) << "there is no limit";
  pass(20, 5, milliseconds(1));
  pass(30, 5, milliseconds(20));
  const auto step = milliseconds(1);
  // Whoever delivers without end leaves nothing.
  for (int i = 0; i < 100; ++i) {
    pace_.take(1 << 20, now_);
    EXPECT_GT(pace_.take_spare(1 << 10, now_), nanoseconds(0));
    now_ += step;
  }
  // One that comes behind such a copy waits as for any other.
  for (int i = 0; i < 1000 && pace_.take_spare(1 << 20, now_) > nanoseconds(0); ++i) now_ += step;
  EXPECT_GT(pace_.take_spare(1 << 20, now_), nanoseconds(0));
  const auto delay = pace_.take(1 << 20, now_);
  EXPECT_GT(pace_.take(1 << 20, now_), delay);
  now_ += seconds(10);
  EXPECT_EQ(pace_.take_spare(1 << 20, now_), nanoseconds(0));
}

}  // namespace
}  // namespace spillway::broker
