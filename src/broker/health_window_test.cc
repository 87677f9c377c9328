#include "broker/health_window.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spillway::broker {
namespace {

constexpr MonoTime kStart{std::chrono::hours(5)};
constexpr SliceLimits kLimits{.failed = 0.2, .throttled = 0.5, .slow = 0.1};

struct SliceCase {
  const char* what;
  Tally tally;
  SliceVerdict verdict;
};

TEST(HealthWindow, ASliceIsJudgedByItsWorstShare) {
  const SliceCase cases[] = {
      {"nothing", {}, SliceVerdict::kEmpty},
      {"all well", {.requests = 10, .entries = 100}, SliceVerdict::kGood},
      {"few failed", {.requests = 10, .entries = 100, .failed = 9}, SliceVerdict::kGood},
      {"half of the limit", {.requests = 10, .entries = 100, .failed = 10}, SliceVerdict::kFair},
      {"almost bad", {.requests = 10, .entries = 100, .failed = 19}, SliceVerdict::kFair},
      {"at the limit", {.requests = 10, .entries = 100, .failed = 20}, SliceVerdict::kBad},
      {"some throttled", {.requests = 10, .entries = 100, .throttled = 24}, SliceVerdict::kGood},
      {"throttled", {.requests = 10, .entries = 100, .throttled = 50}, SliceVerdict::kBad},
      {"one slow of 20", {.requests = 20, .slow = 1, .entries = 20}, SliceVerdict::kFair},
      {"one slow of ten", {.requests = 10, .slow = 1, .entries = 100}, SliceVerdict::kBad},
      {"one request, which failed", {.requests = 1, .entries = 1, .failed = 1}, SliceVerdict::kBad},
  };
  for (const auto& one : cases) EXPECT_EQ(judge(one.tally, kLimits), one.verdict) << one.what;
}

TEST(HealthWindow, ABurstIsOneBadSliceHoweverDenseItIs) {
  HealthWindow window(seconds(10));
  for (int i = 0; i < 10; ++i) {
    const MonoTime now = kStart + seconds(i);
    window.add({.requests = 1, .entries = 1}, now);
    if (i == 4) window.add({.requests = 10'000, .entries = 10'000, .failed = 10'000}, now);
  }
  EXPECT_EQ(window.summary(kLimits).bad, 0u + 1);
  EXPECT_EQ(window.summary(kLimits).good_in_a_row, 4u) << "the tenth has not ended";
  window.advance(kStart + seconds(10));
  EXPECT_EQ(window.summary(kLimits).good_in_a_row, 5u);
}

TEST(HealthWindow, SlicesLeaveAfterTheWindow) {
  HealthWindow window(seconds(10));
  for (int i = 0; i < 10; ++i)
    window.add({.requests = 1, .entries = 1, .failed = 1}, kStart + seconds(i));
  window.advance(kStart + seconds(10));
  EXPECT_EQ(window.summary(kLimits).bad, 10u);
  window.advance(kStart + seconds(13));
  EXPECT_EQ(window.summary(kLimits).bad, 7u);
  window.advance(kStart + seconds(500));
  EXPECT_EQ(window.summary(kLimits).bad, 0u);
}

TEST(HealthWindow, EmptySlicesNeitherCountNorEndARow) {
  HealthWindow window(seconds(10));
  for (const int i : {0, 1, 4, 8})
    window.add({.requests = 1, .entries = 1, .failed = i == 0 ? 1u : 0u}, kStart + seconds(i));
  window.advance(kStart + seconds(10));
  EXPECT_EQ(window.summary(kLimits).good_in_a_row, 3u);
  window.clear();
  EXPECT_EQ(window.summary(kLimits).good_in_a_row, 0u);
}

TEST(HealthWindow, WorstIsSaidInRelationToItsLimit) {
  // Three times the limit of slow ones, twice that of failed ones.
  const Tally tally{.requests = 10, .slow = 3, .entries = 100, .failed = 40};
  EXPECT_EQ(worst_of(tally, kLimits, milliseconds(500)),
            "30 % of the requests took longer than 500 ms");
  EXPECT_EQ(worst_of({.requests = 1, .entries = 10, .throttled = 6}, kLimits, milliseconds(500)),
            "60 % of the entries were throttled");
}

}  // namespace
}  // namespace spillway::broker
