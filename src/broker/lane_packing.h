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

// Of an entry's origin, or of its hash key.
std::uint8_t lane_of(const client::PutEntry& entry);

struct RequestBounds {
  std::size_t records = client::kPutRecordsMax;
  // Of data and keys, but for one record that is larger.
  std::size_t bytes = std::size_t{1} << 20;
};

// Ascending numbers of the entries of a batch.
using Pending = std::vector<std::size_t>;

// Of `pending` those that the next request takes: of each lane the first, and with kAggregate those
// behind it that go into the same Kinesis record; with kPrefix the first ones of all. At least one
// where there is one.
Pending next_of_lanes(std::span<const client::PutEntry> entries,
                      std::span<const std::size_t> pending, LanePacking packing,
                      const RequestBounds& bounds);

// How many requests that is.
std::size_t requests_for(std::size_t records, std::size_t bytes, const RequestBounds& bounds);

// Deals `pending` out to as many requests as it fills, for a target that is sent several side by
// side: each lane to one of them. Where lanes are uneven, one may be for more than a request.
std::vector<Pending> deal_lanes(std::span<const client::PutEntry> entries, const Pending& pending,
                                const RequestBounds& bounds);

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
