// Where a record stands in its shard.
#pragma once

#include <compare>
#include <cstdint>

namespace spillway::stream {

// Names a shard in one data directory for ever; never used twice there.
using ShardId = std::uint64_t;

// 64 bits: the generation of the data directory (top 16, of which 15 are used, so that a shard's
// end mark of 2^63 - 1 stays above every position), then the number of the record in its shard,
// from 0. `spillway doctor restored` raises the generation, so that a region that comes back from a
// backup never gives an old position to a new record.
struct Position {
  std::uint64_t value = 0;

  static constexpr int kGenerationShift = 48;
  std::uint16_t generation() const { return static_cast<std::uint16_t>(value >> kGenerationShift); }
  Position plus(std::uint64_t records) const { return {value + records}; }

  friend auto operator<=>(Position, Position) = default;
};

}  // namespace spillway::stream
