#include <fmt/chrono.h>

#include "base/base64.h"
#include "kinesis/handlers.h"
#include "kinesis/service.h"
#include "stream/record_batch.h"
#include "stream/sequence_number.h"
#include "wire/kinesis_shapes.h"

namespace spillway::kinesis {

namespace {

constexpr std::size_t kBytesMax = std::size_t{10} << 20;  // of data and keys
constexpr std::uint32_t kRecordsMax = 10'000;

// A record that is answered, and where it stands.
struct Answered {
  stream::RecordView record;
  stream::Position position;
  WallTime arrival;
};

struct Selection {
  std::vector<Answered> records;
  stream::Position next;
  bool corrupt = false;
  bool cut = false;  // a bound was reached before the batches ended
};

Selection select(const stream::ReadResult& read, stream::Position from, std::uint32_t records_max) {
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
          (bytes > kBytesMax && !selection.records.empty())) {
        selection.next = position;
        selection.cut = true;
        return selection;
      }
      selection.records.push_back({*record, position, batch.arrival});
    }
  }
  return selection;
}

// Enough for all of it: growing would copy megabytes.
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

void write_record(wire::DocumentWriter& to, const stream::ShardInfo& shard,
                  const Answered& answered) {
  to.open_map().key("SequenceNumber");
  stream::write_digits(stream::sequence_number_of(shard, answered.position, answered.arrival),
                       to.plain_text(stream::kSequenceNumberDigits));
  to.time("ApproximateArrivalTimestamp", answered.arrival);
  to.key("Data").blob(answered.record.data);
  to.text("PartitionKey", answered.record.partition_key).close_map();
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

// "Wed Mar 04 01:02:40 UTC 2020", as Java prints a Date.
std::string java_date(WallTime time) {
  return fmt::format("{:%a %b %d %H:%M:%S} UTC {:%Y}", fmt::gmtime(to_millis(time) / 1000),
                     fmt::gmtime(to_millis(time) / 1000));
}

Reply expired_iterator(WallTime made, WallTime now) {
  return error_reply(
      ApiError::kExpiredIterator,
      fmt::format("Iterator expired. The iterator was created at time {} while right now it is {} "
                  "which is further in the future than the tolerated delay of 300000 milliseconds.",
                  java_date(made), java_date(now)));
}

}  // namespace

Task<Reply> get_records(Service& service, Call& call) {
  auto input = read_input(call, wire::kinesis::kGetRecordsInput);
  if (input.refusal) co_return std::move(*input.refusal);
  auto iterator = stream::open_iterator(service.sealer(), input.value["ShardIterator"].text);
  if (!iterator) co_return error_reply(ApiError::kInvalidArgument, "Invalid ShardIterator.");
  if (const auto now = service.now(); iterator->created_at + stream::kTokenLife < now)
    co_return expired_iterator(iterator->created_at, now);
  const auto& limit = input.value["Limit"];
  const auto records_max = limit.present ? static_cast<std::uint32_t>(limit.integer) : kRecordsMax;
  const auto stream = service.existing(*service.engine().catalog(), iterator->stream_name);
  const auto* shard = stream != nullptr && stream->id == iterator->stream_id
                          ? stream->find_shard(iterator->shard_index)
                          : nullptr;
  if (shard == nullptr) co_return stream_not_found(service, iterator->stream_name);

  const stream::ReadRequest request{shard->id, iterator->position, records_max, kBytesMax};
  auto awaiter = on_loop<Result<stream::ReadResult>>(call.loop, [&service, request](auto done) {
    service.engine().read(request, std::move(done));
  });
  auto read = co_await awaiter;
  if (!read.ok()) {
    if (read.error().code == ErrorCode::kNotFound)
      co_return stream_not_found(service, iterator->stream_name);
    if (read.error().code == ErrorCode::kInvalid)
      co_return error_reply(ApiError::kInvalidArgument, read.error().message);
    co_return engine_reply(read.error(),
                           fmt::format("Shard - {}/{}/{}", service.options().account, stream->name,
                                       stream::shard_name(shard->index)));
  }
  const Selection selection = select(*read, iterator->position, records_max);
  if (selection.corrupt)
    co_return error_reply(ApiError::kInternalFailure, "a stored batch is damaged");

  const WallTime now = service.now();
  std::int64_t behind_ms = 0;
  if (selection.next < read->tip && !selection.records.empty())
    behind_ms =
        std::max<std::int64_t>(0, to_millis(now) - to_millis(selection.records.back().arrival));
  wire::DocumentWriter document(call.format, document_size(call.format, selection));
  document.open_map().key("Records").open_list();
  for (const auto& answered : selection.records) write_record(document, *shard, answered);
  document.close_list();
  if (read->ended && !selection.cut) {
    write_child_shards(document, *stream, *shard);
  } else {
    iterator->position = selection.next;
    iterator->created_at = now;
    document.text("NextShardIterator", seal(service.sealer(), *iterator));
  }
  document.number("MillisBehindLatest", behind_ms).close_map();
  co_return reply_with(std::move(document));
}

}  // namespace spillway::kinesis
