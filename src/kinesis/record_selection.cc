#include "kinesis/record_selection.h"

#include "base/base64.h"
#include "stream/encrypted_batch.h"
#include "stream/sequence_number.h"

namespace spillway::kinesis {

namespace {

void write_record(wire::DocumentWriter& to, const stream::ShardInfo& shard,
                  const Answered& answered, Origins origins) {
  to.open_map().key("SequenceNumber");
  stream::write_digits(stream::sequence_number_of(shard, answered.position, answered.arrival),
                       to.plain_text(stream::kSequenceNumberDigits));
  to.time("ApproximateArrivalTimestamp", answered.arrival);
  to.key("Data").blob(answered.record.data);
  // AUTO distribution takes records without one.
  if (!answered.record.partition_key.empty())
    to.text("PartitionKey", answered.record.partition_key);
  if (answered.encrypted) to.text("EncryptionType", "KMS");
  if (answered.record.origin && origins == Origins::kTold)
    write_origin(to.key("Origin"), *answered.record.origin);
  to.close_map();
}

Reply damaged_batch() {
  return error_reply(ApiError::kInternalFailure, "a stored batch is damaged");
}

struct PlainBatch {
  std::string_view batch;  // of `decrypted`, or as it is stored
  SharedBytes decrypted;
  std::optional<Reply> refusal;
};

PlainBatch plain_batch(Service& service, const stream::StreamInfo& stream,
                       const stream::ShardInfo& shard, const stream::StoredBatch& stored) {
  const auto number = stream::data_key_number(stored.payload);
  if (!number) return {stored.payload, {}, std::nullopt};
  const auto key = service.data_keys().find(stream, *number);
  if (!key.ok()) return {{}, {}, data_key_reply(key.error())};
  auto decrypted =
      stream::decrypt_batch(stored.payload, {stream.id, shard.id, stored.count}, (*key)->key());
  if (!decrypted) return {{}, {}, damaged_batch()};
  const std::string_view view = decrypted->view();
  return {view, *std::move(decrypted), std::nullopt};
}

Selection cut_at(stream::Position position, Selection selection) {
  selection.next = position;
  selection.cut = true;
  return selection;
}

// What comes before is answered; the next read meets it again.
Selection refuse_at(stream::Position position, Reply refusal, Selection selection) {
  if (!selection.records.empty()) return cut_at(position, std::move(selection));
  selection.refusal = std::move(refusal);
  return selection;
}

}  // namespace

Selection select(Service& service, const stream::StreamInfo& stream, const stream::ShardInfo& shard,
                 const stream::ReadResult& read, stream::Position from, SelectionBounds bounds) {
  Selection selection;
  selection.next = read.next;
  for (const auto& batch : read.batches) {
    if (selection.records.size() == bounds.records_max)
      return cut_at(batch.first, std::move(selection));
    auto plain = plain_batch(service, stream, shard, batch);
    if (plain.refusal)
      return refuse_at(batch.first, *std::move(plain.refusal), std::move(selection));
    const bool encrypted = !plain.decrypted.empty();
    if (encrypted) selection.decrypted.push_back(std::move(plain.decrypted));
    stream::RecordBatchReader reader(plain.batch);
    for (std::uint32_t i = 0; i < batch.count; ++i) {
      const stream::Position position = batch.first.plus(i);
      const auto record = reader.next();
      if (!record) return refuse_at(position, damaged_batch(), std::move(selection));
      if (position < from) continue;
      const std::size_t size = record->data.size() + record->partition_key.size();
      if (selection.records.size() == bounds.records_max ||
          (selection.bytes + size > bounds.bytes_max && !selection.records.empty()))
        return cut_at(position, std::move(selection));
      selection.bytes += size;
      selection.records.push_back({*record, position, batch.arrival, encrypted});
    }
  }
  return selection;
}

ReadAmount amount_of(const Selection& selection, const stream::ReadResult& read, WallTime now) {
  ReadAmount amount{selection.records.size(), selection.bytes, 0};
  if (selection.next < read.tip && !selection.records.empty()) {
    amount.behind_ms =
        std::max<std::int64_t>(0, to_millis(now) - to_millis(selection.records.back().arrival));
  }
  return amount;
}

void count_read(Service& service, const CallerName& caller, Use use,
                const stream::StreamInfo& stream, const stream::ShardInfo& shard,
                const ReadAmount& amount) {
  Flow flow;
  flow.outgoing_bytes = amount.bytes;
  flow.outgoing_records = amount.records;
  flow.iterator_age_ms = amount.behind_ms;
  service.traffic().add(shard.id, flow, true);
  service.traffic().add(stream.id, flow, true);
  service.callers().saw(caller, stream, use, service.now(), amount.records, amount.bytes,
                        amount.behind_ms);
}

std::size_t document_size(wire::Format format, const Selection& selection, Origins origins) {
  constexpr std::size_t kFixed = 230;   // names, sequence number and time of a record
  constexpr std::size_t kOrigin = 140;  // its names and values
  std::size_t size = 2048;              // the iterator
  if (origins == Origins::kTold) size += kOrigin * selection.records.size();
  for (const auto& answered : selection.records) {
    const std::size_t data = answered.record.data.size();
    size += kFixed + answered.record.partition_key.size() +
            (format == wire::Format::kJson ? base64_encoded_size(data) : data);
  }
  return size;
}

void write_records(wire::DocumentWriter& to, const stream::ShardInfo& shard,
                   const Selection& selection, Origins origins) {
  to.key("Records").open_list();
  for (const auto& answered : selection.records) write_record(to, shard, answered, origins);
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
