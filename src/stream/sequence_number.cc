#include "stream/sequence_number.h"

#include <array>
#include <cstring>

#include "base/assert.h"
#include "base/uint128.h"

namespace spillway::stream {

namespace {

constexpr std::uint64_t kEndCounter = (std::uint64_t{1} << 63) - 1;
constexpr std::uint64_t kTen18 = 1'000'000'000'000'000'000;
constexpr std::uint64_t kBits36 = (std::uint64_t{1} << 36) - 1;

// "00" to "99".
constexpr std::array<char, 200> make_pairs() {
  std::array<char, 200> pairs{};
  for (std::size_t i = 0; i < pairs.size(); ++i)
    pairs[i] = static_cast<char>('0' + (i % 2 == 0 ? i / 20 : i / 2 % 10));
  return pairs;
}
constexpr auto kPairs = make_pairs();

// 188 bits: `high` holds those from 128 on.
struct Bits {
  std::uint64_t high = 0;
  Uint128 low = 0;
};

Bits pack(const SequenceNumber& number) {
  const auto created = static_cast<std::uint64_t>(number.shard_created_seconds) & kBits36;
  const auto arrival = static_cast<std::uint64_t>(number.arrival_seconds) & kBits36;
  Bits bits;
  bits.low = Uint128{2} | Uint128{number.shard_index} << 4 | Uint128{arrival} << 36 |
             Uint128{number.counter} << 80;
  bits.high = number.counter >> 48 | std::uint64_t{number.shard_index & 15} << 16 | created << 20 |
              std::uint64_t{2} << 56;
  return bits;
}

// Divides by 10^18 in place; gives the remainder.
std::uint64_t divide(Bits& bits) {
  Uint128 rest = bits.high % kTen18;
  bits.high /= kTen18;
  rest = rest << 64 | static_cast<std::uint64_t>(bits.low >> 64);
  const auto upper = static_cast<std::uint64_t>(rest / kTen18);
  rest = (rest % kTen18) << 64 | static_cast<std::uint64_t>(bits.low);
  const auto lower = static_cast<std::uint64_t>(rest / kTen18);
  bits.low = Uint128{upper} << 64 | lower;
  return static_cast<std::uint64_t>(rest % kTen18);
}

// bits × 10 + digit; false when that takes more than 192 bits.
bool multiply_add(Bits& bits, unsigned digit) {
  const Uint128 lower = Uint128{static_cast<std::uint64_t>(bits.low)} * 10 + digit;
  const Uint128 middle = Uint128{static_cast<std::uint64_t>(bits.low >> 64)} * 10 + (lower >> 64);
  const Uint128 upper = Uint128{bits.high} * 10 + (middle >> 64);
  bits.low = middle << 64 | static_cast<std::uint64_t>(lower);
  bits.high = static_cast<std::uint64_t>(upper);
  return upper >> 64 == 0;
}

}  // namespace

bool SequenceNumber::is_shard_end() const { return counter == kEndCounter; }

std::optional<Position> SequenceNumber::position() const {
  if (counter == 0 || is_shard_end()) return std::nullopt;
  return Position{counter - 1};
}

SequenceNumber sequence_number_of(const ShardInfo& shard, Position position, WallTime arrival) {
  return {shard.created_seconds, shard.index, position.value + 1,
          std::chrono::floor<seconds>(arrival).time_since_epoch().count()};
}

SequenceNumber start_of(const ShardInfo& shard) {
  return {shard.created_seconds, shard.index, 0, shard.created_seconds};
}

SequenceNumber end_of(const ShardInfo& shard) {
  SPILLWAY_ASSERT(shard.ended.has_value());
  return {shard.created_seconds, shard.index, kEndCounter,
          std::chrono::floor<seconds>(shard.ended->closed_at).time_since_epoch().count()};
}

void write_digits(const SequenceNumber& number, char* out) {
  static_assert(kSequenceNumberDigits % 2 == 0);
  Bits bits = pack(number);
  char* at = out + kSequenceNumberDigits;
  for (std::size_t left = kSequenceNumberDigits; left > 0;) {
    std::uint64_t part = divide(bits);
    for (int i = 0; i < 18 && left > 0; i += 2, left -= 2) {
      at -= 2;
      std::memcpy(at, kPairs.data() + part % 100 * 2, 2);
      part /= 100;
    }
  }
}

std::string to_string(const SequenceNumber& number) {
  std::string digits(kSequenceNumberDigits, '0');
  write_digits(number, digits.data());
  return digits;
}

std::optional<SequenceNumber> parse_sequence_number(std::string_view digits) {
  if (digits.size() != kSequenceNumberDigits) return std::nullopt;
  Bits bits;
  for (const char c : digits) {
    if (c < '0' || c > '9' || !multiply_add(bits, static_cast<unsigned>(c - '0')))
      return std::nullopt;
  }
  SequenceNumber number;
  number.shard_index = static_cast<std::uint32_t>(bits.low >> 4);
  number.arrival_seconds =
      static_cast<std::int64_t>(static_cast<std::uint64_t>(bits.low >> 36) & kBits36);
  number.counter = static_cast<std::uint64_t>(bits.low >> 80) | (bits.high & 0xffff) << 48;
  number.shard_created_seconds = static_cast<std::int64_t>(bits.high >> 20 & kBits36);
  const Bits again = pack(number);
  if (again.high != bits.high || again.low != bits.low || number.counter > kEndCounter)
    return std::nullopt;
  return number;
}

std::string shard_name(std::uint32_t index) {
  std::string name = "shardId-000000000000";
  for (auto at = name.rbegin(); index > 0; index /= 10)
    *at++ = static_cast<char>('0' + static_cast<int>(index % 10));
  return name;
}

std::optional<std::uint32_t> parse_shard_name(std::string_view name) {
  constexpr std::string_view kPrefix = "shardId-";
  if (name.size() != kPrefix.size() + 12 || !name.starts_with(kPrefix)) return std::nullopt;
  std::uint64_t index = 0;
  for (const char c : name.substr(kPrefix.size())) {
    if (c < '0' || c > '9') return std::nullopt;
    index = index * 10 + static_cast<std::uint64_t>(c - '0');
  }
  if (index > UINT32_MAX) return std::nullopt;
  return static_cast<std::uint32_t>(index);
}

}  // namespace spillway::stream
