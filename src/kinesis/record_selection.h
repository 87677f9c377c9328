// Which records of a read are answered, and how they are written: what GetRecords and
// SubscribeToShard share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kinesis/record_origin.h"
#include "kinesis/service.h"
#include "stream/record_batch.h"

namespace spillway::kinesis {

// A record that is answered, and where it stands.
struct Answered {
  stream::RecordView record;
  stream::Position position;
  WallTime arrival;
  bool encrypted = false;  // at rest
};

// Refers to the read's batches.
struct Selection {
  std::vector<Answered> records;
  std::size_t bytes = 0;  // of their data and keys
  stream::Position next;
  bool cut = false;  // it ends before the batches do
  // Where not even the first record can be had: its batch is damaged, or can't be decrypted.
  std::optional<Reply> refusal;
  std::vector<SharedBytes> decrypted;  // batches that records are in
};

// How much of a read is answered; at least one record.
struct SelectionBounds {
  std::uint32_t records_max = 0;
  std::size_t bytes_max = 0;  // of data and keys
};

// The records from `from` on of what was read of `shard`. `stream` must be as of after the read:
// its data keys are no older than the batches then.
Selection select(Service& service, const stream::StreamInfo& stream, const stream::ShardInfo& shard,
                 const stream::ReadResult& read, stream::Position from, SelectionBounds bounds);
ReadAmount amount_of(const Selection& selection, const stream::ReadResult& read, WallTime now);

// Counts that so much was read, by whom and how.
void count_read(Service& service, const CallerName& caller, Use use,
                const stream::StreamInfo& stream, const stream::ShardInfo& shard,
                const ReadAmount& amount);

// Room for a document with all of them: growing would copy megabytes.
std::size_t document_size(wire::Format format, const Selection& selection, Origins origins);
void write_records(wire::DocumentWriter& to, const stream::ShardInfo& shard,
                   const Selection& selection, Origins origins);
void write_child_shards(wire::DocumentWriter& to, const stream::StreamInfo& stream,
                        const stream::ShardInfo& parent);

}  // namespace spillway::kinesis
