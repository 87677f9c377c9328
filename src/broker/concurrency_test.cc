#include "broker/concurrency.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <vector>

#include "base/random.h"

namespace spillway::broker {
namespace {

// A target that works on so many requests at a time, in the order in which they come; others wait.
class ConcurrencyTest : public testing::Test {
 protected:
  // Whoever sends has at most `wanted` requests under way.
  void pass(nanoseconds time, std::size_t wanted = 1000) {
    const MonoTime end = now_ + time;
    while (true) {
      while (under_way_.size() < std::min(wanted, concurrency_.limit())) send();
      if (under_way_.front().ends > end) break;
      now_ = std::max(now_, under_way_.front().ends);
      const auto request = under_way_.front().request;
      under_way_.pop_front();
      concurrency_.answered(request, entries_, now_);
      most_ = std::max(most_, concurrency_.limit());
      least_ = std::min(least_, concurrency_.limit());
    }
    now_ = end;
  }
  void look_from_now_on() { most_ = least_ = concurrency_.limit(); }

  Concurrency concurrency_;
  nanoseconds takes_ = milliseconds(70);
  std::size_t at_a_time_ = 1000;
  Concurrency::Entries entries_{100, 0};
  std::size_t most_ = 0;
  std::size_t least_ = 1000;
  MonoTime now_{seconds(1000)};

 private:
  struct UnderWay {
    Concurrency::Request request;
    MonoTime ends;
  };

  void send() {
    MonoTime begins = now_;
    if (under_way_.size() >= at_a_time_)
      begins = std::max(begins, under_way_[under_way_.size() - at_a_time_].ends);
    under_way_.push_back({concurrency_.sent(now_), begins + takes_});
  }

  std::deque<UnderWay> under_way_;
};

TEST_F(ConcurrencyTest, GrowsToItsBoundWhileAnswersAreNotSlower) {
  EXPECT_EQ(concurrency_.limit(), Concurrency::kFirst);
  pass(milliseconds(1500));
  EXPECT_EQ(concurrency_.limit(), Concurrency::kMax);
  pass(seconds(100));
  EXPECT_EQ(concurrency_.limit(), Concurrency::kMax);
}

TEST_F(ConcurrencyTest, StaysWhereFewerAreUnderWayThanMayBe) {
  pass(seconds(60), Concurrency::kFirst - 1);
  EXPECT_EQ(concurrency_.limit(), Concurrency::kFirst);
  takes_ = milliseconds(700);
  pass(seconds(60), Concurrency::kFirst - 1);
  EXPECT_EQ(concurrency_.limit(), Concurrency::kFirst) << "it isn't slow since they are many";
}

TEST_F(ConcurrencyTest, SettlesWhereTheTargetIsBusyAndFewWait) {
  at_a_time_ = 20;
  pass(seconds(5));
  look_from_now_on();
  pass(seconds(20));
  EXPECT_GE(least_, 20u);
  EXPECT_LE(most_, 45u);
}

TEST_F(ConcurrencyTest, WithAnswersThatAreSlowWhateverIsSentSomeAreUnderWay) {
  pass(seconds(5));
  takes_ = milliseconds(400);
  pass(seconds(10));
  look_from_now_on();
  pass(seconds(10));
  EXPECT_EQ(least_, 2 * Concurrency::kMore);
  EXPECT_EQ(most_, 2 * Concurrency::kMore);
}

TEST_F(ConcurrencyTest, AWayThatHasBecomeLongerIsNoQueueForLong) {
  pass(seconds(5));
  takes_ = milliseconds(140);
  pass(seconds(5));
  EXPECT_LT(concurrency_.limit(), 20u);
  pass(seconds(60));
  EXPECT_EQ(concurrency_.limit(), Concurrency::kMax);
}

TEST_F(ConcurrencyTest, QuickAnswersAreNotSlow) {
  takes_ = milliseconds(1);
  pass(seconds(1));
  takes_ = milliseconds(7);
  pass(seconds(5));
  EXPECT_EQ(concurrency_.limit(), Concurrency::kMax);
}

TEST_F(ConcurrencyTest, ATargetThatThrottlesAllGetsOneAtATime) {
  pass(seconds(5));
  entries_.throttled = 100;
  pass(seconds(10));
  EXPECT_EQ(concurrency_.limit(), 1u);
  entries_.throttled = 0;
  pass(seconds(10));
  EXPECT_EQ(concurrency_.limit(), Concurrency::kMax);
}

// One shard of a stream that is too hot is no reason to send others less.
TEST_F(ConcurrencyTest, AFewThatAreThrottledSayNothing) {
  entries_.throttled = 25;
  pass(seconds(5));
  EXPECT_EQ(concurrency_.limit(), Concurrency::kMax);
  entries_.throttled = 26;
  pass(milliseconds(200));
  EXPECT_LT(concurrency_.limit(), Concurrency::kMax);
}

TEST_F(ConcurrencyTest, ChangesOnceInARoundTrip) {
  std::vector<Concurrency::Request> requests;
  requests.reserve(40);
  for (int i = 0; i < 40; ++i) requests.push_back(concurrency_.sent(now_));
  for (const auto& request : requests) concurrency_.answered(request, entries_, now_ + takes_);
  EXPECT_EQ(concurrency_.limit(), Concurrency::kFirst + Concurrency::kMore);
}

TEST_F(ConcurrencyTest, BeginsAnewWhereThereWasNoAnswer) {
  pass(seconds(5));
  concurrency_.sent(now_);
  concurrency_.failed(now_);
  EXPECT_EQ(concurrency_.limit(), Concurrency::kFirst);
  entries_.throttled = 100;
  pass(seconds(10));
  concurrency_.sent(now_);
  concurrency_.failed(now_);
  EXPECT_EQ(concurrency_.limit(), 1u) << "which is no reason for more";
}

TEST_F(ConcurrencyTest, ARequestThatSaysNothingIsNotUnderWayAnyMore) {
  concurrency_.sent(now_);
  concurrency_.sent(now_);
  concurrency_.ended();
  EXPECT_EQ(concurrency_.under_way(), 1u);
  EXPECT_EQ(concurrency_.limit(), Concurrency::kFirst);
}

TEST_F(ConcurrencyTest, StaysWithinItsBoundsWhateverComes) {
  constexpr std::uint64_t kSeed = 1;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  Random random(kSeed);
  std::deque<Concurrency::Request> under_way;
  for (int i = 0; i < 100'000; ++i) {
    now_ += nanoseconds(random.below(20'000'000));
    if (under_way.size() < concurrency_.limit() && random.below(3) > 0) {
      under_way.push_back(concurrency_.sent(now_));
    } else if (!under_way.empty()) {
      const auto request = under_way.front();
      under_way.pop_front();
      const std::size_t entries = 1 + random.below(500);
      if (random.one_in(50)) {
        concurrency_.failed(now_);
      } else if (random.one_in(50)) {
        concurrency_.ended();
      } else {
        concurrency_.answered(request, {entries, random.one_in(4) ? entries : 0}, now_);
      }
    }
    ASSERT_GE(concurrency_.limit(), 1u);
    ASSERT_LE(concurrency_.limit(), Concurrency::kMax);
    ASSERT_EQ(concurrency_.under_way(), under_way.size());
  }
}

}  // namespace
}  // namespace spillway::broker
