#include "broker/position_ranges.h"

#include <algorithm>
#include <utility>

namespace spillway::broker {

std::uint64_t count_of(const PositionRanges& ranges) {
  std::uint64_t records = 0;
  for (const auto& [first, behind] : ranges) records += behind.value - first.value;
  return records;
}

PositionRanges clipped(const PositionRanges& ranges, PositionRange within) {
  PositionRanges left;
  left.reserve(ranges.size());
  for (const auto& [first, behind] : ranges) {
    const auto from = std::max(first, within.first);
    const auto to = std::min(behind, within.second);
    if (from < to) left.emplace_back(from, to);
  }
  return left;
}

void add(PositionRanges& ranges, PositionRange range) {
  auto at = std::ranges::lower_bound(ranges, range.first, {}, &PositionRange::second);
  const auto from = at;
  for (; at != ranges.end() && at->first <= range.second; ++at) {
    range.first = std::min(range.first, at->first);
    range.second = std::max(range.second, at->second);
  }
  ranges.insert(ranges.erase(from, at), range);
}

PositionRanges difference(const PositionRanges& ranges, const PositionRanges& without) {
  PositionRanges left;
  left.reserve(ranges.size() + without.size());
  auto taken = without.begin();
  for (auto [first, behind] : ranges) {
    while (taken != without.end() && taken->second <= first) ++taken;
    for (auto each = taken; each != without.end() && each->first < behind; ++each) {
      if (first < each->first) left.emplace_back(first, each->first);
      first = std::max(first, each->second);
    }
    if (first < behind) left.emplace_back(first, behind);
  }
  return left;
}

void bound(PositionRanges& ranges, const PositionRanges& apart, std::size_t at_most) {
  if (ranges.size() <= at_most) return;
  PositionRanges joined;
  auto between = apart.begin();
  for (const auto& range : ranges) {
    const auto end = joined.empty() ? stream::Position() : joined.back().second;
    while (between != apart.end() && between->second <= end) ++between;
    const bool alone = between != apart.end() && between->first < range.first;
    if (joined.empty() || alone) {
      joined.push_back(range);
    } else {
      joined.back().second = range.second;
    }
  }
  joined.resize(std::min(joined.size(), at_most));
  ranges = std::move(joined);
}

}  // namespace spillway::broker
