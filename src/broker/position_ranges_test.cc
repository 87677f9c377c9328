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

}  // namespace
}  // namespace spillway::broker
