// How the records of a request stay in the order of their lanes at a target that may store any of
// what a request holds and fail the rest, as Amazon Kinesis does: it gets one record of each lane,
// and what is behind that when it has stored it. The one may be an aggregate
// (client/record_aggregate.h) of records that follow one another in their lane.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "client/kinesis_client.h"

namespace spillway::broker {

enum class LanePacking : std::uint8_t {
  kPrefix,     // any number of a lane: the target stores them as a prefix
  kSingle,     // one record of a lane
  kAggregate,  // one record of a lane, which holds several that have one hash key
};

// With its partition key, at most, as Kinesis has it for a stream of which nothing else was said.
inline constexpr std::size_t kAggregateBytesMax = std::size_t{1} << 20;

// Of `pending`, ascending numbers of `entries`, those that the next request takes, `most` at most:
// of each lane the first, and with kAggregate those behind it that go into the same Kinesis record.
// At least one where there is one.
std::vector<std::size_t> next_of_lanes(std::span<const client::PutEntry> entries,
                                       std::span<const std::size_t> pending, LanePacking packing,
                                       std::size_t most);

// A request's entries as Kinesis records. What can't be in an aggregate goes as it is, without its
// origin: a record that is too large for one, or is an aggregate itself, which its readers would
// find in another one.
struct PackedEntries {
  std::vector<client::PutEntry> records;
  std::vector<std::size_t> record_of;  // of each entry: the record that it is in
};
PackedEntries pack_lanes(std::vector<client::PutEntry> entries);

// What became of the entries, by what became of the records that they are in. kInvalid where a
// record of several is refused for good: nobody can tell for which of them, so they are to be sent
// apart.
Result<client::PutRecordsResult> outcomes_of_entries(const PackedEntries& packed,
                                                     const client::PutRecordsResult& of_records);

}  // namespace spillway::broker
