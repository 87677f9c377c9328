// Origins on their way through Amazon Kinesis, which has no member for them: as tags in the KPL's
// aggregated format, which other readers of the format pass over. The records of an aggregate have
// one hash key, and so has the aggregate: no split of its shard can separate them.
#pragma once

#include <span>
#include <vector>

#include "client/kinesis_client.h"

namespace spillway::client {

// At least one, all of them with the same hash key, which is taken from the explicit hash key or
// else the partition key of the first.
PutEntry aggregate(std::span<const PutEntry> entries);

// What aggregate() puts around the data and partition key of an entry, at most; once for all of
// them: kAggregateBytes.
inline constexpr std::size_t kAggregateEntryBytes = 150;
inline constexpr std::size_t kAggregateBytes = 20;

// The records that an aggregate holds, each with its origin where it has one, and with the sequence
// number and arrival of the whole; or the record itself where it is none, or holds none.
std::vector<Record> take_apart(Record record);

}  // namespace spillway::client
