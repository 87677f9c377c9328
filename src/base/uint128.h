// 128-bit hash keys, as Kinesis has them: 0 … 2^128 - 1, in decimal on the wire.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace spillway {

__extension__ using Uint128 = unsigned __int128;

inline constexpr Uint128 kUint128Max = ~Uint128{0};

// Decimal without sign or leading zeros (but "0"), as `0|([1-9]\d{0,38})` with a value below 2^128.
std::optional<Uint128> parse_uint128(std::string_view decimal);
std::string to_string(Uint128 value);

}  // namespace spillway
