#include "kinesis/record_selection.h"

#include "base/base64.h"
#include "stream/sequence_number.h"

namespace spillway::kinesis {

namespace {

void write_record(wire::DocumentWriter& to, const stream::ShardInfo& shard,
                  const Answered& answered) {
  to.open_map().key("SequenceNumber");
  stream::write_digits(stream::sequence_number_of(shard, answered.position, answered.arrival),
                       to.plain_text(stream::kSequenceNumberDigits));
  to.time("ApproximateArrivalTimestamp", answered.arrival);
  to.key("Data").blob(answered.record.data);
  to.text("PartitionKey", answered.record.partition_key).close_map();
}

}  // namespace

Selection select(const stream::ReadResult& read, stream::Position from, std::uint32_t records_max,
                 std::size_t bytes_max) {
  Selection selection;
  selection.next = read.next;
  std::size_t bytes = 0;
  for (const auto& batch : read.batches) {
    stream::RecordBatchReader reader(batch.payload);
    for (std::uint32_t i = 0; i < batch.count; ++i) {
      const auto record = reader.next();
      if (!record) {
        selection.corrupt = true;
        return selection;
      }
      const stream::Position position = batch.first.plus(i);
      if (position < from) continue;
      bytes += record->data.size() + record->partition_key.size();
      if (selection.records.size() == records_max ||
          (bytes > bytes_max && !selection.records.empty())) {
        selection.next = position;
        selection.cut = true;
        return selection;
      }
      selection.records.push_back({*record, position, batch.arrival});
    }
  }
  return selection;
}

std::int64_t millis_behind(const Selection& selection, const stream::ReadResult& read,
                           WallTime now) {
  if (selection.next >= read.tip || selection.records.empty()) return 0;
  return std::max<std::int64_t>(0, to_millis(now) - to_millis(selection.records.back().arrival));
}

std::size_t document_size(wire::Format format, const Selection& selection) {
  constexpr std::size_t kFixed = 200;  // names, sequence number and time of a record
  std::size_t size = 2048;             // the iterator
  for (const auto& answered : selection.records) {
    const std::size_t data = answered.record.data.size();
    size += kFixed + answered.record.partition_key.size() +
            (format == wire::Format::kJson ? base64_encoded_size(data) : data);
  }
  return size;
}

void write_records(wire::DocumentWriter& to, const stream::ShardInfo& shard,
                   const Selection& selection) {
  to.key("Records").open_list();
  for (const auto& answered : selection.records) write_record(to, shard, answered);
  to.close_list();
}

void write_child_shards(wire::DocumentWriter& to, const stream::StreamInfo& stream,
                        const stream::ShardInfo& parent) {
  to.key("ChildShards").open_list();
  for (const auto& shard : stream.shards) {
    if (shard.parent != parent.index && shard.adjacent_parent != parent.index) continue;
    to.open_map().text("ShardId", stream::shard_name(shard.index));
    to.key("ParentShards").open_list().text(stream::shard_name(*shard.parent));
    if (shard.adjacent_parent) to.text(stream::shard_name(*shard.adjacent_parent));
    to.close_list();
    write_hash_key_range(to, shard);
    to.close_map();
  }
  to.close_list();
}

}  // namespace spillway::kinesis
