#include "base/crc32c.h"

#include <array>
#include <cstring>
#if defined(__SSE4_2__)
#include <nmmintrin.h>
#endif

namespace spillway {

#if defined(__SSE4_2__)

namespace {

// The instruction gives its result after three cycles, and takes up another one in each of them: a
// long text is taken as three lanes side by side, of which the checksums are joined at their end.
constexpr std::size_t kLane = 1024;

// A checksum is linear in its bits: this is what each of them becomes.
using Operator = std::array<std::uint32_t, 32>;

constexpr std::uint32_t turned_by(const Operator& to_each, std::uint32_t crc) {
  std::uint32_t sum = 0;
  for (std::size_t bit = 0; bit < 32; ++bit)
    if ((crc >> bit & 1) != 0) sum ^= to_each[bit];
  return sum;
}

// For each byte of a checksum what it becomes behind kLane bytes of zero.
constexpr std::array<std::array<std::uint32_t, 256>, 4> make_lane_tables() {
  Operator behind_zeros{0x82f63b78u};  // one bit of them at first
  for (std::size_t bit = 1; bit < 32; ++bit) behind_zeros[bit] = 1u << (bit - 1);
  for (std::size_t bits = 1; bits < 8 * kLane; bits *= 2) {
    Operator twice{};
    for (std::size_t bit = 0; bit < 32; ++bit)
      twice[bit] = turned_by(behind_zeros, behind_zeros[bit]);
    behind_zeros = twice;
  }
  std::array<std::array<std::uint32_t, 256>, 4> tables{};
  for (std::size_t byte = 0; byte < 4; ++byte)
    for (std::uint32_t value = 0; value < 256; ++value)
      tables[byte][value] = turned_by(behind_zeros, value << (8 * byte));
  return tables;
}
constexpr auto kBehindLane = make_lane_tables();

std::uint64_t behind_lane(std::uint64_t crc) {
  return kBehindLane[0][crc & 0xff] ^ kBehindLane[1][crc >> 8 & 0xff] ^
         kBehindLane[2][crc >> 16 & 0xff] ^ kBehindLane[3][crc >> 24 & 0xff];
}

std::uint64_t add_word(std::uint64_t crc, const char* at) {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return _mm_crc32_u64(crc, word);
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes, std::uint32_t before) {
  std::uint64_t crc = ~before;
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 3 * kLane; left -= 3 * kLane, at += 3 * kLane) {
    std::uint64_t second = 0;
    std::uint64_t third = 0;
    for (std::size_t i = 0; i < kLane; i += 8) {
      crc = add_word(crc, at + i);
      second = add_word(second, at + kLane + i);
      third = add_word(third, at + 2 * kLane + i);
    }
    crc = behind_lane(behind_lane(crc) ^ second) ^ third;
  }
  for (; left >= 8; left -= 8, at += 8) crc = add_word(crc, at);
  auto crc32 = static_cast<std::uint32_t>(crc);
  for (; left > 0; --left, ++at) crc32 = _mm_crc32_u8(crc32, static_cast<unsigned char>(*at));
  return ~crc32;
}

#else

namespace {
constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
    table[i] = crc;
  }
  return table;
}
constexpr auto kTable = make_table();
}  // namespace

std::uint32_t crc32c(std::string_view bytes, std::uint32_t before) {
  std::uint32_t crc = ~before;
  for (const char c : bytes)
    crc = (crc >> 8) ^ kTable[(crc ^ static_cast<unsigned char>(c)) & 0xff];
  return ~crc;
}

#endif

}  // namespace spillway
