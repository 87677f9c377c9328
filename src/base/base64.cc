// The AVX2 paths follow Muła and Lemire, "Faster Base64 Encoding and Decoding Using AVX2
// Instructions" (ACM Transactions on the Web 12(3), 2018).
#include "base/base64.h"

#include <array>
#include <cstdint>
#include <cstring>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace spillway {

namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kNone = 0xff;

constexpr std::array<std::uint8_t, 256> make_values() {
  std::array<std::uint8_t, 256> values{};
  values.fill(kNone);
  for (std::size_t i = 0; i < kDigits.size(); ++i)
    values[static_cast<unsigned char>(kDigits[i])] = static_cast<std::uint8_t>(i);
  return values;
}
constexpr auto kValues = make_values();

std::uint32_t value_of(char c) { return kValues[static_cast<unsigned char>(c)]; }

#if defined(__x86_64__)

const bool kHasAvx2 = __builtin_cpu_supports("avx2") != 0;

// Encodes 24 bytes at a time, behind 6 by the portable path: each load begins 4 bytes before the 24
// that it encodes, so that they straddle the register's halves evenly. Gives how many it took.
__attribute__((target("avx2"))) std::size_t encode_avx2(std::string_view bytes, char* out) {
  const __m256i spread = _mm256_set_epi8(10, 11, 9, 10, 7, 8, 6, 7, 4, 5, 3, 4, 1, 2, 0, 1, 14, 15,
                                         13, 14, 11, 12, 10, 11, 8, 9, 7, 8, 5, 6, 4, 5);
  const __m256i offsets =
      _mm256_setr_epi8(65, 71, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -19, -16, 0, 0, 65, 71, -4,
                       -4, -4, -4, -4, -4, -4, -4, -4, -4, -19, -16, 0, 0);
  if (bytes.size() < 32) return 0;
  base64_encode_portable(bytes.substr(0, 6), out);
  std::size_t at = 6;
  out += 8;
  while (at + 28 <= bytes.size()) {
    __m256i in = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes.data() + at - 4));
    in = _mm256_shuffle_epi8(in, spread);
    const __m256i high = _mm256_mulhi_epu16(_mm256_and_si256(in, _mm256_set1_epi32(0x0fc0fc00)),
                                            _mm256_set1_epi32(0x04000040));
    const __m256i low = _mm256_mullo_epi16(_mm256_and_si256(in, _mm256_set1_epi32(0x003f03f0)),
                                           _mm256_set1_epi32(0x01000010));
    const __m256i digits = _mm256_or_si256(high, low);
    __m256i row = _mm256_subs_epu8(digits, _mm256_set1_epi8(51));
    row = _mm256_sub_epi8(row, _mm256_cmpgt_epi8(digits, _mm256_set1_epi8(25)));
    const __m256i text = _mm256_add_epi8(digits, _mm256_shuffle_epi8(offsets, row));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), text);
    at += 24;
    out += 32;
  }
  return at;
}

// Decodes 32 characters at a time while more than 44 are left (its stores write 32 bytes for 24);
// gives how many it took, or nullopt at a character that is no digit.
__attribute__((target("avx2"))) std::optional<std::size_t> decode_avx2(std::string_view text,
                                                                       char* out) {
  const __m256i lut_low =
      _mm256_setr_epi8(0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x13, 0x1a, 0x1b,
                       0x1b, 0x1b, 0x1a, 0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
                       0x13, 0x1a, 0x1b, 0x1b, 0x1b, 0x1a);
  const __m256i lut_high =
      _mm256_setr_epi8(0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08, 0x10, 0x10, 0x10, 0x10, 0x10,
                       0x10, 0x10, 0x10, 0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08, 0x10, 0x10,
                       0x10, 0x10, 0x10, 0x10, 0x10, 0x10);
  const __m256i lut_roll =
      _mm256_setr_epi8(0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 19, 4, -65,
                       -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0);
  const __m256i pack = _mm256_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1, 2,
                                        1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
  const __m256i slash = _mm256_set1_epi8(0x2f);
  std::size_t at = 0;
  while (text.size() - at > 44) {
    const __m256i in = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text.data() + at));
    const __m256i high_nibbles = _mm256_and_si256(_mm256_srli_epi32(in, 4), slash);
    const __m256i low_nibbles = _mm256_and_si256(in, slash);
    const __m256i high = _mm256_shuffle_epi8(lut_high, high_nibbles);
    const __m256i low = _mm256_shuffle_epi8(lut_low, low_nibbles);
    if (_mm256_testz_si256(low, high) == 0) return std::nullopt;
    const __m256i is_slash = _mm256_cmpeq_epi8(in, slash);
    const __m256i roll = _mm256_shuffle_epi8(lut_roll, _mm256_add_epi8(is_slash, high_nibbles));
    const __m256i digits = _mm256_add_epi8(in, roll);
    const __m256i pairs = _mm256_maddubs_epi16(digits, _mm256_set1_epi32(0x01400140));
    __m256i bytes = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00011000));
    bytes = _mm256_shuffle_epi8(bytes, pack);
    bytes = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 1, 2, 4, 5, 6, -1, -1));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), bytes);
    at += 32;
    out += 24;
  }
  return at;
}

#endif

}  // namespace

void base64_encode_portable(std::string_view bytes, char* out) {
  const auto byte = [&](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i]));
  };
  std::size_t at = 0;
  for (; at + 3 <= bytes.size(); at += 3, out += 4) {
    const std::uint32_t word = byte(at) << 16 | byte(at + 1) << 8 | byte(at + 2);
    out[0] = kDigits[word >> 18];
    out[1] = kDigits[word >> 12 & 63];
    out[2] = kDigits[word >> 6 & 63];
    out[3] = kDigits[word & 63];
  }
  const std::size_t left = bytes.size() - at;
  if (left == 0) return;
  const std::uint32_t word = byte(at) << 16 | (left == 2 ? byte(at + 1) << 8 : 0);
  out[0] = kDigits[word >> 18];
  out[1] = kDigits[word >> 12 & 63];
  out[2] = left == 2 ? kDigits[word >> 6 & 63] : '=';
  out[3] = '=';
}

std::optional<std::size_t> base64_decode_portable(std::string_view text, char* out) {
  if (text.size() % 4 != 0) return std::nullopt;
  if (text.empty()) return 0;
  const char* const begin = out;
  const std::size_t padding = text[text.size() - 1] != '='   ? 0
                              : text[text.size() - 2] != '=' ? 1
                                                             : 2;
  const std::size_t whole = text.size() - (padding > 0 ? 4 : 0);
  for (std::size_t at = 0; at < whole; at += 4, out += 3) {
    const std::uint32_t a = value_of(text[at]);
    const std::uint32_t b = value_of(text[at + 1]);
    const std::uint32_t c = value_of(text[at + 2]);
    const std::uint32_t d = value_of(text[at + 3]);
    if (((a | b | c | d) & 0x80) != 0) return std::nullopt;
    const std::uint32_t word = a << 18 | b << 12 | c << 6 | d;
    out[0] = static_cast<char>(word >> 16);
    out[1] = static_cast<char>(word >> 8);
    out[2] = static_cast<char>(word);
  }
  if (padding > 0) {
    const std::uint32_t a = value_of(text[whole]);
    const std::uint32_t b = value_of(text[whole + 1]);
    const std::uint32_t c = padding == 2 ? 0 : value_of(text[whole + 2]);
    if (((a | b | c) & 0x80) != 0) return std::nullopt;
    if ((padding == 2 ? b & 15 : c & 3) != 0) return std::nullopt;
    *out++ = static_cast<char>(a << 2 | b >> 4);
    if (padding == 1) *out++ = static_cast<char>(b << 4 | c >> 2);
  }
  return static_cast<std::size_t>(out - begin);
}

void base64_encode(std::string_view bytes, char* out) {
#if defined(__x86_64__)
  if (kHasAvx2) {
    const std::size_t taken = encode_avx2(bytes, out);
    bytes.remove_prefix(taken);
    out += taken / 3 * 4;
  }
#endif
  base64_encode_portable(bytes, out);
}

std::optional<std::size_t> base64_decode(std::string_view text, char* out) {
  std::size_t written = 0;
#if defined(__x86_64__)
  if (kHasAvx2 && text.size() % 4 == 0) {
    const auto taken = decode_avx2(text, out);
    if (!taken) return std::nullopt;
    text.remove_prefix(*taken);
    written = *taken / 4 * 3;
  }
#endif
  const auto rest = base64_decode_portable(text, out + written);
  if (!rest) return std::nullopt;
  return written + *rest;
}

}  // namespace spillway
