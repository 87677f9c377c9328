// Sequence numbers: what clients know of a record's place. 47 hexadecimal digits, written as 56
// decimal ones, in the observable form of Kinesis (docs/formats/sequence-number.md):
//
//   2 | 9 shard's creation second | 1 low nibble of shard index | 16 counter | 00
//     | 9 second of arrival | 8 shard index | 2
//
// The counter is 0 for a shard's start, position + 1 for a record, and 2^63 - 1 for a shard's end,
// so that numbers of one shard rise as integers, and a number can be turned into a position and
// checked against its shard without a look-up. Clients (KCL) check that numbers have 186 bits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "stream/catalog.h"
#include "stream/position.h"

namespace spillway::stream {

struct SequenceNumber {
  std::int64_t shard_created_seconds = 0;
  std::uint32_t shard_index = 0;
  std::uint64_t counter = 0;
  std::int64_t arrival_seconds = 0;

  bool is_shard_end() const;
  // The position of the record that has this number; nullopt for a shard's start and end.
  std::optional<Position> position() const;
  bool belongs_to(const ShardInfo& shard) const {
    return shard_index == shard.index && shard_created_seconds == shard.created_seconds;
  }
};

inline constexpr std::size_t kSequenceNumberDigits = 56;

SequenceNumber sequence_number_of(const ShardInfo& shard, Position position, WallTime arrival);
SequenceNumber start_of(const ShardInfo& shard);
SequenceNumber end_of(const ShardInfo& shard);  // of a closed one

std::string to_string(const SequenceNumber& number);
// Writes exactly kSequenceNumberDigits characters.
void write_digits(const SequenceNumber& number, char* out);
// Nullopt for digits that are no sequence number.
std::optional<SequenceNumber> parse_sequence_number(std::string_view digits);

// "shardId-000000000007", and back; nullopt where it has another form.
std::string shard_name(std::uint32_t index);
std::optional<std::uint32_t> parse_shard_name(std::string_view name);

}  // namespace spillway::stream
