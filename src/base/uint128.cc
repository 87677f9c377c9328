#include "base/uint128.h"

namespace spillway {

std::optional<Uint128> parse_uint128(std::string_view decimal) {
  if (decimal.empty() || decimal.size() > 39) return std::nullopt;
  if (decimal.size() > 1 && decimal.front() == '0') return std::nullopt;
  Uint128 value = 0;
  for (const char c : decimal) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<unsigned>(c - '0');
    if (value > (kUint128Max - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  return value;
}

std::string to_string(Uint128 value) {
  char digits[40];
  char* begin = digits + sizeof digits;
  do {
    *--begin = static_cast<char>('0' + static_cast<int>(value % 10));
    value /= 10;
  } while (value != 0);
  return {begin, digits + sizeof digits};
}

}  // namespace spillway
