// Which records of a read are answered, and how they are written: what GetRecords and
// SubscribeToShard share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kinesis/service.h"
#include "stream/record_batch.h"

namespace spillway::kinesis {

// A record that is answered, and where it stands.
struct Answered {
  stream::RecordView record;
  stream::Position position;
  WallTime arrival;
};

// Refers to the read's batches.
struct Selection {
  std::vector<Answered> records;
  stream::Position next;
  bool corrupt = false;
  bool cut = false;  // a bound was reached before the batches ended
};

// At most `records_max` records of at most `bytes_max` bytes of data and keys, but at least one.
Selection select(const stream::ReadResult& read, stream::Position from, std::uint32_t records_max,
                 std::size_t bytes_max);
// How far the last of the selected records lies back; 0 at the tip.
std::int64_t millis_behind(const Selection& selection, const stream::ReadResult& read,
                           WallTime now);

// Room for a document with all of them: growing would copy megabytes.
std::size_t document_size(wire::Format format, const Selection& selection);
void write_records(wire::DocumentWriter& to, const stream::ShardInfo& shard,
                   const Selection& selection);
void write_child_shards(wire::DocumentWriter& to, const stream::StreamInfo& stream,
                        const stream::ShardInfo& parent);

}  // namespace spillway::kinesis
