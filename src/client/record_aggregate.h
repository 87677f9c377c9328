// Origins on their way through Amazon Kinesis, which has no member for them: as tags in the KPL's
// aggregated format, which other readers of the format pass over. The records of an aggregate have
// one hash key, and so has the aggregate: no split of its shard can separate them.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "client/kinesis_client.h"
#include "client/stream_reader.h"

namespace spillway::client {

// At least one, all of them with the same hash key, which is taken from the explicit hash key or
// else the partition key of the first.
PutEntry aggregate(std::span<const PutEntry> entries);

// What aggregate() puts around the data and partition key of an entry, at most; once for all of
// them: kAggregateBytes.
inline constexpr std::size_t kAggregateEntryBytes = 150;
inline constexpr std::size_t kAggregateBytes = 20;

// The records that an aggregate holds, each with its origin, and with the sequence number and
// arrival of the whole; or the record itself where it is none, holds none, or one without an
// origin: another producer's, whose readers take it apart; or one with a key that the API doesn't
// take. As each has an origin of its own in the aggregate, and a key of at most 1 KiB, all of them
// have less than 20 times its bytes.
std::vector<Record> take_apart(Record record);

// The same calls, of whose records those that came without an origin are taken apart. Whoever may
// put records there can write a tag, and so hide another's record: for regions that have no other
// way to tell an origin, and whose producers are trusted.
std::unique_ptr<StreamCalls> calls_with_tags(std::unique_ptr<StreamCalls> calls);

}  // namespace spillway::client
