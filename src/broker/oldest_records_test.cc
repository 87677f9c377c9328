#include "broker/oldest_records.h"

#include <gtest/gtest.h>

namespace spillway::broker {
namespace {

TEST(OldestRecordsTest, OfWhatEarlierStartsLeftEachShardGivesItsPart) {
  const Undelivered held = {{1, {{100}, {900}}}, {2, {{0}, {80}}}, {3, {{5}, {5}}}};
  const Delivered expected = {{1, {200}}, {2, {10}}, {3, {5}}};
  EXPECT_EQ(OldestRecords().without_oldest(held, 8), expected);
}

TEST(OldestRecordsTest, WhatCameFirstGoesFirst) {
  OldestRecords oldest;
  oldest.look({{1, {{0}, {100}}}, {2, {{0}, {0}}}});
  oldest.look({{1, {{0}, {100}}}, {2, {{0}, {300}}}});
  const Undelivered held = {{1, {{0}, {100}}}, {2, {{0}, {700}}}};
  EXPECT_EQ(oldest.without_oldest(held, 8), (Delivered{{1, {100}}, {2, {0}}}));
  EXPECT_EQ(oldest.without_oldest(held, 4), (Delivered{{1, {100}}, {2, {100}}}));
  EXPECT_EQ(oldest.without_oldest(held, 1), (Delivered{{1, {100}}, {2, {700}}}));
}

TEST(OldestRecordsTest, WhatIsDeliveredDoesNotCount) {
  OldestRecords oldest;
  oldest.look({{1, {{0}, {100}}}, {2, {{0}, {100}}}});
  const Undelivered held = {{1, {{100}, {200}}}, {2, {{90}, {100}}}, {7, {{0}, {10}}}};
  EXPECT_EQ(oldest.without_oldest(held, 12), (Delivered{{1, {100}}, {2, {100}}, {7, {0}}}));
  EXPECT_EQ(oldest.without_oldest({}, 8), Delivered());
  EXPECT_EQ(oldest.without_oldest({{1, {{5}, {5}}}}, 8), (Delivered{{1, {5}}}));
}

TEST(OldestRecordsTest, ALongOutageIsKnownCoarsely) {
  OldestRecords oldest;
  Undelivered held = {{1, {{0}, {0}}}, {2, {{0}, {0}}}};
  for (int second = 1; second <= 100'000; ++second) {
    held[second <= 50'000 ? 1 : 2].second.value += 10;
    oldest.look(held);
  }
  const auto next = oldest.without_oldest(held, 4);
  EXPECT_NEAR(static_cast<double>(next.at(1).value), 250'000, 20);
  EXPECT_EQ(next.at(2).value, 0u);
}

}  // namespace
}  // namespace spillway::broker
