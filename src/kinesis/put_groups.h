// Which shard each record of a put goes to, and which of them go together.
//
// Records that have an origin are stored as a prefix of their lane in the request: behind one that
// isn't stored, no later one is, or a reader of the lane would find it out of order for ever.
// Within one append to one shard there is nothing to do for that. But a lane's records may lie in
// several shards, where a boundary was drawn within it: then they get appends of their own, which
// the engine takes or refuses together (AppendItem::fate). And where a shard takes only some of its
// records, those behind them in other shards are held back too.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/uint128.h"
#include "kinesis/service.h"
#include "stream/origin.h"
#include "stream/sequence_number.h"

namespace spillway::kinesis {

// One record of the request, and what became of it.
struct PutEntry {
  std::string_view key;
  const wire::Value* data = nullptr;
  std::size_t size = 0;  // of data and key
  std::optional<Uint128> explicit_hash_key;
  Uint128 hash_key = 0;
  std::optional<stream::Origin> origin;
  const stream::ShardInfo* shard = nullptr;  // that it goes to now
  std::uint32_t shard_index = 0;             // of the shard that it was last sent to
  // kClosed: it waits for a shard that takes it.
  Result<stream::SequenceNumber> outcome = Error{ErrorCode::kClosed, ""};
  bool held_back = false;  // its error is that of an earlier record of its lane

  bool waits() const { return !outcome.ok() && outcome.error().code == ErrorCode::kClosed; }
};

// The records of one append.
struct PutGroup {
  const stream::ShardInfo* shard = nullptr;
  std::uint32_t fate = 0;  // as AppendItem has it
  std::size_t bytes = 0;   // room for the batch
  std::vector<PutEntry*> entries;
};

// The records that wait, by the shards that take them now. Refers to the stream and the entries.
std::vector<PutGroup> group(const stream::StreamInfo& stream, std::span<PutEntry> entries);

// Leaves in each group what its shard takes now; the others' outcome is kThrottled. A group that
// nothing is left of goes. `only_asked`: nothing is used up, or counted.
void limit(Service& service, std::vector<PutGroup>& groups, std::span<PutEntry> entries,
           bool only_asked = false);

}  // namespace spillway::kinesis
