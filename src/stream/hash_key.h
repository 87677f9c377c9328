// Where a record goes: its 128-bit hash key, which shards divide among them.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/uint128.h"

namespace spillway::stream {

// The MD5 of the partition key, big-endian, as in Kinesis. An explicit hash key takes its place.
Uint128 hash_key_of(std::string_view partition_key);

// A record's lane (DESIGN.md, "Records and their identity"): the top 8 bits.
inline std::uint8_t lane_of(Uint128 hash_key) { return static_cast<std::uint8_t>(hash_key >> 120); }
inline constexpr std::size_t kLanes = 256;

}  // namespace spillway::stream
