#include <fmt/chrono.h>

#include "kinesis/handlers.h"
#include "kinesis/record_selection.h"
#include "stream/sequence_number.h"
#include "wire/kinesis_shapes.h"

namespace spillway::kinesis {

namespace {

constexpr std::size_t kBytesMax = std::size_t{10} << 20;  // of data and keys
constexpr std::uint32_t kRecordsMax = 10'000;

// "Wed Mar 04 01:02:40 UTC 2020", as Java prints a Date.
std::string java_date(WallTime time) {
  return fmt::format("{:%a %b %d %H:%M:%S} UTC {:%Y}", fmt::gmtime(to_millis(time) / 1000),
                     fmt::gmtime(to_millis(time) / 1000));
}

Reply expired_iterator(Service& service, WallTime made) {
  return error_reply(
      ApiError::kExpiredIterator,
      fmt::format("Iterator expired. The iterator was created at time {} while right now it is {} "
                  "which is further in the future than the tolerated delay of {} milliseconds.",
                  java_date(made), java_date(service.now()), service.options().token_life.count()));
}

std::string where(Service& service, const stream::StreamInfo& stream,
                  const stream::ShardInfo& shard) {
  return fmt::format("Shard - {}/{}/{}", service.options().account, stream.name,
                     stream::shard_name(shard.index));
}

}  // namespace

Task<Reply> get_records(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kGetRecordsInput);
  if (input.refusal) co_return std::move(*input.refusal);
  auto iterator = stream::open_iterator(service.sealer(), input.value["ShardIterator"].text);
  if (!iterator) co_return error_reply(ApiError::kInvalidArgument, "Invalid ShardIterator.");
  if (service.token_expired(iterator->created_at))
    co_return expired_iterator(service, iterator->created_at);
  const auto& limit = input.value["Limit"];
  const auto records_max = limit.present ? static_cast<std::uint32_t>(limit.integer) : kRecordsMax;
  const auto stream = service.existing(*service.engine().catalog(), iterator->stream_name);
  const auto* shard = stream != nullptr && stream->id == iterator->stream_id
                          ? stream->find_shard(iterator->shard_index)
                          : nullptr;
  if (shard == nullptr) co_return stream_not_found(service, iterator->stream_name);

  const bool dry = dry_run(input.value);
  if (!service.limits().take_read(shard->id, service.mono_now(), dry)) {
    Flow flow;
    flow.read_exceeded = 1;
    for (const auto id : {shard->id, stream->id})
      if (!dry) service.traffic().add(id, flow);
    co_return error_reply(ApiError::kProvisionedThroughputExceeded,
                          fmt::format("Rate exceeded for {}.", where(service, *stream, *shard)));
  }
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
    co_return engine_reply(read.error(), where(service, *stream, *shard));
  }
  // With the data keys of what was read, and the children of a shard that ended.
  const auto newest = service.existing(*service.engine().catalog(), iterator->stream_name);
  if (newest == nullptr || newest->id != stream->id)
    co_return stream_not_found(service, iterator->stream_name);
  auto selection = select(service, *newest, *shard, *read, iterator->position,
                          {.records_max = records_max, .bytes_max = kBytesMax});
  if (selection.refusal) co_return *std::move(selection.refusal);

  if (dry) co_return dry_run_reply();
  service.limits().count_read(shard->id, selection.bytes, service.mono_now());
  const WallTime now = service.now();
  const ReadAmount amount = amount_of(selection, *read, now);
  count_read(service, caller_of(call), Use::kGet, *stream, *shard, amount);
  const auto origins = call.wants_origins ? Origins::kTold : Origins::kHidden;
  wire::DocumentWriter document(call.format, document_size(call.format, selection, origins));
  document.open_map();
  write_records(document, *shard, selection, origins);
  if (read->ended && !selection.cut) {
    write_child_shards(document, *newest, *shard);
  } else {
    iterator->position = selection.next;
    iterator->created_at = now;
    document.text("NextShardIterator", seal(service.sealer(), *iterator));
  }
  document.number("MillisBehindLatest", amount.behind_ms).close_map();
  co_return reply_with(std::move(document));
}

}  // namespace spillway::kinesis
