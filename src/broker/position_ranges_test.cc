#include "broker/position_ranges.h"

#include <gtest/gtest.h>

#include <set>

#include "base/random.h"

namespace spillway::broker {
namespace {

PositionRanges ranges_of(const std::set<std::uint64_t>& positions) {
  PositionRanges ranges;
  for (const auto position : positions) {
    if (!ranges.empty() && ranges.back().second.value == position)
      ranges.back().second.value = position + 1;
    else
      ranges.push_back({{position}, {position + 1}});
  }
  return ranges;
}

TEST(PositionRangesTest, AreAsSetsOfPositionsAre) {
  Random random(1);
  for (int round = 0; round < 2000; ++round) {
    std::set<std::uint64_t> some;
    std::set<std::uint64_t> others;
    for (std::uint64_t position = 0; position < 20; ++position) {
      if (random.between(0, 1) == 1) some.insert(position);
      if (random.between(0, 1) == 1) others.insert(position);
    }
    const auto from = static_cast<std::uint64_t>(random.between(0, 20));
    const auto to = static_cast<std::uint64_t>(random.between(0, 20));
    std::set<std::uint64_t> left;
    std::set<std::uint64_t> within;
    for (const auto position : some) {
      if (!others.contains(position)) left.insert(position);
      if (from <= position && position < to) within.insert(position);
    }
    EXPECT_EQ(difference(ranges_of(some), ranges_of(others)), ranges_of(left));
    EXPECT_EQ(clipped(ranges_of(some), {{from}, {to}}), ranges_of(within));
    EXPECT_EQ(count_of(ranges_of(some)), some.size());
    if (from >= to) continue;
    auto more = ranges_of(some);
    add(more, {{from}, {to}});
    for (auto position = from; position < to; ++position) some.insert(position);
    EXPECT_EQ(more, ranges_of(some));
  }
}

TEST(PositionRangesTest, OfTooManyThoseAreOneThatHaveNothingBetweenThem) {
  const PositionRanges many = {{{1}, {2}}, {{4}, {5}}, {{7}, {8}}, {{9}, {10}}, {{12}, {13}}};
  const PositionRanges apart = {{{0}, {1}}, {{5}, {6}}, {{11}, {12}}, {{20}, {30}}};
  auto ranges = many;
  bound(ranges, apart, 5);
  EXPECT_EQ(ranges, many);
  bound(ranges, apart, 4);
  EXPECT_EQ(ranges, (PositionRanges{{{1}, {5}}, {{7}, {10}}, {{12}, {13}}}));
  bound(ranges, apart, 2);
  EXPECT_EQ(ranges, (PositionRanges{{{1}, {5}}, {{7}, {10}}})) << "and then the last one goes";
  bound(ranges, {}, 1);
  EXPECT_EQ(ranges, (PositionRanges{{{1}, {10}}}));
}

TEST(PositionRangesTest, NothingIsTakenInThatIsKeptApart) {
  Random random(1);
  for (int round = 0; round < 2000; ++round) {
    std::set<std::uint64_t> some;
    std::set<std::uint64_t> others;
    for (std::uint64_t position = 0; position < 30; ++position) {
      const auto draw = random.between(0, 4);
      if (draw < 2) some.insert(position);
      if (draw == 2) others.insert(position);
    }
    const auto before = ranges_of(some);
    const auto at_most = static_cast<std::size_t>(random.between(1, 8));
    auto ranges = before;
    bound(ranges, ranges_of(others), at_most);
    EXPECT_LE(ranges.size(), at_most);
    EXPECT_EQ(difference(ranges_of(others), ranges), ranges_of(others)) << "round " << round;
    const auto gone = difference(before, ranges);
    if (!gone.empty()) {
      EXPECT_EQ(ranges.size(), at_most) << "round " << round;
      EXPECT_GE(gone.front().first, ranges.back().second) << "round " << round;
    }
  }
}

}  // namespace
}  // namespace spillway::broker
