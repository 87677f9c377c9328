// Sets of positions of a shard, as ranges: disjoint, none of them empty, in their order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "stream/position.h"

namespace spillway::broker {

// Of records: first, and behind the last.
using PositionRange = std::pair<stream::Position, stream::Position>;
using PositionRanges = std::vector<PositionRange>;

std::uint64_t count_of(const PositionRanges& ranges);
// What of `ranges` lies in `within`.
PositionRanges clipped(const PositionRanges& ranges, PositionRange within);
// With those of `range`, too.
void add(PositionRanges& ranges, PositionRange range);
// What of `ranges` isn't in `without`.
PositionRanges difference(const PositionRanges& ranges, const PositionRanges& without);

// Leaves at most so many of them: neighbours become one, with what lies between them, where nothing
// of `apart` does; and then the last ones go.
void bound(PositionRanges& ranges, const PositionRanges& apart, std::size_t at_most);

}  // namespace spillway::broker
