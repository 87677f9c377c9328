// Integers of 7 bits a byte, the lowest first; the top bit of a byte says that more follow (as in
// protobuf).
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace spillway {

inline void append_varint(std::string& to, std::uint64_t value) {
  for (; value >= 128; value >>= 7) to.push_back(static_cast<char>(value | 128));
  to.push_back(static_cast<char>(value));
}

// Off the front of what `from` has; one of more than 64 bits is as good as the end.
inline std::uint64_t read_varint(ByteReader& from) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const auto byte = from.integer<std::uint8_t>();
    const std::uint64_t bits = byte & 127U;
    if (shift == 63 && bits > 1) break;
    value |= bits << shift;
    if (byte < 128) return value;
  }
  from.take(from.rest().size() + 1);
  return 0;
}

}  // namespace spillway
