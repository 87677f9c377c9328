#include "broker/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace spillway::broker {
namespace {

using testing::HasSubstr;

constexpr MonoTime kStart{std::chrono::hours(5)};

class BreakerTest : public testing::Test {
 protected:
  // Answered after 20 ms.
  void well(Answer answer = {}) {
    const auto request = breaker_.sent(10, now_);
    now_ += milliseconds(20);
    breaker_.answered(request, answer, now_);
  }
  void refused() { breaker_.failed(breaker_.sent(10, now_), "connection refused", now_); }
  void canary(CanaryReading reading = CanaryReading::kRead) {
    const auto request = breaker_.canary_sent(now_);
    now_ += milliseconds(20);
    breaker_.answered(request, {}, now_);
    breaker_.canary_read(reading, "", now_);
  }
  // Time goes on; all canaries that become due go well.
  void pass(nanoseconds time) {
    for (const MonoTime end = now_ + time; now_ < end; now_ += milliseconds(10)) {
      breaker_.advance(now_);
      if (breaker_.next_canary() && *breaker_.next_canary() <= now_) canary();
    }
    breaker_.advance(now_);
  }
  void open_it() {
    for (int i = 0; i < 20; ++i, now_ += milliseconds(100)) refused();
    ASSERT_EQ(breaker_.state(), BreakerState::kOpen);
  }
  // The hold, and the way back.
  void close_it() {
    while (breaker_.state() != BreakerState::kClosed) pass(milliseconds(50));
  }
  nanoseconds hold() const { return breaker_.held_until() - breaker_.health().since; }

  MonoTime now_ = kStart;
  Breaker breaker_{HealthSettings{}, kStart};
};

TEST_F(BreakerTest, BeginsClosed) {
  EXPECT_EQ(breaker_.state(), BreakerState::kClosed);
  EXPECT_TRUE(breaker_.may_send());
  EXPECT_EQ(breaker_.next_canary(), kStart);
}

TEST_F(BreakerTest, OneThatRefusesIsOpenAfterADeadline) {
  well();
  const MonoTime first = now_;
  while (breaker_.state() == BreakerState::kClosed) {
    refused();
    now_ += milliseconds(100);
  }
  EXPECT_LE(now_ - first, milliseconds(1100));
  EXPECT_EQ(breaker_.health().reason, "nothing was answered for 1 s (connection refused)");
  EXPECT_FALSE(breaker_.health().serves);
}

TEST_F(BreakerTest, OneThatNeverAnswersIsOpenAfterOneAndAHalf) {
  well();
  const MonoTime first = now_;
  const auto request = breaker_.sent(10, now_);
  now_ += milliseconds(500);
  breaker_.advance(now_);
  ASSERT_TRUE(breaker_.next_canary() && *breaker_.next_canary() <= now_) << "a suspicion";
  const auto canary = breaker_.canary_sent(now_);
  now_ = first + milliseconds(1000);
  breaker_.failed(request, "no answer", now_);
  EXPECT_EQ(breaker_.state(), BreakerState::kClosed);
  breaker_.advance(first + milliseconds(1499));
  EXPECT_EQ(breaker_.state(), BreakerState::kClosed);
  breaker_.advance(first + milliseconds(1500));
  EXPECT_EQ(breaker_.state(), BreakerState::kOpen);
  EXPECT_THAT(breaker_.health().reason, HasSubstr("nothing was answered for 1.5 s"));
  breaker_.failed(canary, "no answer", first + milliseconds(1501));
}

TEST_F(BreakerTest, ADeadlineCountsThoughTheCallerGoesOnWaiting) {
  const auto request = breaker_.sent(10, now_);
  const auto other = breaker_.sent(10, now_ + milliseconds(700));
  breaker_.advance(kStart + milliseconds(1500));
  EXPECT_EQ(breaker_.state(), BreakerState::kOpen);
  // And counts once.
  breaker_.failed(request, "no answer", kStart + seconds(2));
  breaker_.answered(other, {}, kStart + seconds(2));
  EXPECT_TRUE(breaker_.health().serves) << "it answers, late as it is";
}

TEST_F(BreakerTest, OneLostConnectionIsNoSilence) {
  // Many requests under way fail at once, and the next ones are answered.
  std::vector<Breaker::Request> lost;
  lost.reserve(16);
  for (int i = 0; i < 16; ++i) lost.push_back(breaker_.sent(10, now_));
  for (const auto& request : lost) breaker_.failed(request, "connection reset", now_);
  pass(seconds(30));
  EXPECT_EQ(breaker_.state(), BreakerState::kClosed);
  // A request that is lost among others that are answered.
  for (int i = 0; i < 100; ++i) {
    const auto silent = breaker_.sent(1, now_);
    for (int j = 0; j < 10; ++j) well();
    breaker_.failed(silent, "no answer", now_);
  }
  EXPECT_EQ(breaker_.state(), BreakerState::kClosed);
}

TEST_F(BreakerTest, ALostRequestAmongOthersDoesNotMakeASlowOneASilence) {
  const auto lost = breaker_.sent(10, now_);
  for (int i = 0; i < 49; ++i) well();
  breaker_.failed(lost, "connection reset", now_);
  const auto slow = breaker_.sent(10, now_);
  now_ += milliseconds(900);
  breaker_.advance(now_);
  EXPECT_EQ(breaker_.state(), BreakerState::kClosed);
  breaker_.answered(slow, {}, now_);
  EXPECT_EQ(breaker_.state(), BreakerState::kClosed);
}

TEST_F(BreakerTest, RequestsThatFailTogetherAreOneFailure) {
  std::vector<Breaker::Request> lost;
  lost.reserve(8);
  for (int i = 0; i < 8; ++i, now_ += milliseconds(10)) lost.push_back(breaker_.sent(10, now_));
  now_ = kStart + milliseconds(990);
  for (const auto& request : lost) breaker_.failed(request, "connection reset", now_);
  breaker_.advance(kStart + seconds(1));
  EXPECT_EQ(breaker_.state(), BreakerState::kClosed);
  // Without a second one, it stays so.
  breaker_.advance(kStart + seconds(60));
  EXPECT_EQ(breaker_.state(), BreakerState::kClosed);
}

TEST_F(BreakerTest, ARequestBeyondItsDeadlineIsCountedOnce) {
  HealthSettings settings;
  settings.limits.slow = 1;
  breaker_ = Breaker(settings, kStart);
  // One of eight is lost each second, and told by the caller after the breaker has noticed.
  for (int i = 0; i < 60; ++i) {
    const auto lost = breaker_.sent(10, now_);
    for (int j = 0; j < 7; ++j) well();
    now_ += milliseconds(860);
    breaker_.advance(now_);
    breaker_.failed(lost, "no answer", now_);
    EXPECT_EQ(breaker_.state(), BreakerState::kClosed);
  }
}

TEST_F(BreakerTest, ARestartWithinADeadlineIsNoSilence) {
  well();
  for (int i = 0; i < 9; ++i, now_ += milliseconds(100)) refused();
  well();
  pass(seconds(20));
  EXPECT_EQ(breaker_.state(), BreakerState::kClosed);
}

TEST_F(BreakerTest, WhatIsGivenUpSaysNothing) {
  for (int i = 0; i < 100; ++i, now_ += milliseconds(100))
    breaker_.given_up(breaker_.sent(10, now_), now_);
  EXPECT_EQ(breaker_.state(), BreakerState::kClosed);
  EXPECT_TRUE(breaker_.may_send());
}

struct GrayCase {
  const char* what;
  Answer answer;
  nanoseconds time;
  const char* reason;
};

TEST(Breaker, OneThatAnswersBadlyIsOpenWithinTheWindow) {
  const GrayCase cases[] = {
      {"failed entries",
       {.failed = 3, .detail = "InternalFailure"},
       milliseconds(20),
       "for 6 s of the last 10 s, 30 % of the entries failed (InternalFailure)"},
      {"throttled entries",
       {.throttled = 6, .detail = "Rate exceeded"},
       milliseconds(20),
       "for 6 s of the last 10 s, 60 % of the entries were throttled (Rate exceeded)"},
      {"slow",
       {},
       milliseconds(600),
       "for 6 s of the last 10 s, 100 % of the requests took longer than 500 ms"},
      {"all failed",
       {.failed = 10, .detail = "AccessDeniedException"},
       milliseconds(20),
       "for 6 s of the last 10 s, 100 % of the entries failed (AccessDeniedException)"},
  };
  for (const auto& one : cases) {
    MonoTime now = kStart;
    Breaker breaker(HealthSettings{}, now);
    while (breaker.state() == BreakerState::kClosed && now < kStart + seconds(60)) {
      const auto request = breaker.sent(10, now);
      now += one.time;
      breaker.answered(request, one.answer, now);
    }
    EXPECT_LE(now - kStart, seconds(10)) << one.what;
    EXPECT_EQ(breaker.health().reason, one.reason);
    EXPECT_EQ(breaker.health().serves, one.answer.failed < 10) << one.what;
  }
}

TEST_F(BreakerTest, BurstsOpenNothing) {
  for (int burst = 0; burst < 50; ++burst) {
    for (const MonoTime end = now_ + seconds(2); now_ < end;) well({.failed = 10});
    for (const MonoTime end = now_ + seconds(8); now_ < end;) well();
    ASSERT_EQ(breaker_.state(), BreakerState::kClosed);
  }
}

TEST_F(BreakerTest, OneThatCantBeReadIsOpenWithinTheWindow) {
  pass(seconds(30));
  const MonoTime first = now_;
  while (breaker_.state() == BreakerState::kClosed) {
    well();
    breaker_.advance(now_);
    if (breaker_.next_canary() && *breaker_.next_canary() <= now_) canary(CanaryReading::kBehind);
  }
  EXPECT_LE(now_ - first, seconds(10));
  EXPECT_EQ(breaker_.health().reason,
            "3 canaries in a row could be written, and not be read (what was written did not "
            "appear)");
  EXPECT_TRUE(breaker_.health().serves) << "what is written there is stored";
}

TEST_F(BreakerTest, ComesBackThroughHalfOpen) {
  open_it();
  const MonoTime opened = breaker_.health().since;
  EXPECT_EQ(hold(), seconds(10));
  while (breaker_.state() == BreakerState::kOpen) pass(milliseconds(50));
  EXPECT_EQ(breaker_.state(), BreakerState::kHalfOpen);
  EXPECT_GE(now_ - opened, seconds(10));
  EXPECT_LE(now_ - opened, seconds(12));
  close_it();
  EXPECT_GE(now_ - opened, seconds(15));
  EXPECT_LE(now_ - opened, seconds(20));
  EXPECT_EQ(breaker_.health().reason, "good for 5 s");
}

TEST_F(BreakerTest, StaysOpenWhileCanariesFail) {
  open_it();
  for (int i = 0; i < 600; ++i, now_ += seconds(1))
    breaker_.failed(breaker_.canary_sent(now_), "connection refused", now_);
  EXPECT_EQ(breaker_.state(), BreakerState::kOpen);
  pass(seconds(2));
  EXPECT_EQ(breaker_.state(), BreakerState::kHalfOpen) << "the hold is long over";
}

TEST_F(BreakerTest, HalfOpenLetsABoundedNumberThrough) {
  open_it();
  while (breaker_.state() == BreakerState::kOpen) pass(milliseconds(50));
  std::vector<Breaker::Request> probes;
  while (breaker_.may_send()) probes.push_back(breaker_.sent(1, now_));
  EXPECT_EQ(probes.size(), HealthSettings{}.probes_max);
  breaker_.answered(probes[0], {}, now_);
  EXPECT_TRUE(breaker_.may_send());
}

TEST_F(BreakerTest, AFailureWhileHalfOpenOpensAgainForTwiceAsLong) {
  open_it();
  nanoseconds expected = seconds(10);
  for (int i = 0; i < 9; ++i) {
    EXPECT_EQ(hold(), expected);
    expected = std::min<nanoseconds>(2 * expected, std::chrono::minutes(10));
    while (breaker_.state() == BreakerState::kOpen) pass(milliseconds(50));
    ASSERT_EQ(breaker_.state(), BreakerState::kHalfOpen);
    refused();
    ASSERT_EQ(breaker_.state(), BreakerState::kOpen);
    EXPECT_EQ(breaker_.health().reason, "half-open, a request failed (connection refused)");
  }
}

TEST_F(BreakerTest, WhatIsNeitherGoodNorBadDoesNotClose) {
  open_it();
  while (breaker_.state() == BreakerState::kOpen) pass(milliseconds(50));
  for (const MonoTime end = now_ + seconds(60); now_ < end;) {
    well({.failed = 0});
    for (int i = 0; i < 6; ++i) well({.failed = 1});  // 8 to 10 %
    well({.failed = 3});
    canary();
    ASSERT_EQ(breaker_.state(), BreakerState::kHalfOpen);
  }
  close_it();
}

TEST_F(BreakerTest, ForgetsADoublingForEachCalmHalfHour) {
  for (int i = 0; i < 3; ++i) {
    open_it();
    close_it();
  }
  pass(std::chrono::minutes(61));
  open_it();
  EXPECT_EQ(hold(), seconds(20)) << "80 s, without the calm";
}

TEST_F(BreakerTest, CanariesComeAsOftenAsTheyTellSomething) {
  canary();
  EXPECT_EQ(*breaker_.next_canary() - now_, milliseconds(980)) << "nothing else is sent";
  const MonoTime last = now_ - milliseconds(20);
  for (int i = 0; i < 150; ++i) well();
  EXPECT_EQ(*breaker_.next_canary() - last, seconds(4)) << "a second after the last one";
  for (int i = 0; i < 150; ++i) well();
  EXPECT_EQ(*breaker_.next_canary() - last, seconds(5)) << "whatever is sent";
  canary();
  refused();
  EXPECT_EQ(*breaker_.next_canary() - now_, milliseconds(80)) << "a suspicion";
}

}  // namespace
}  // namespace spillway::broker
