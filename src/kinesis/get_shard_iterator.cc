#include "kinesis/handlers.h"
#include "kinesis/start_position.h"
#include "stream/sequence_number.h"
#include "wire/kinesis_shapes.h"

namespace spillway::kinesis {

Task<Reply> get_shard_iterator(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kGetShardIteratorInput);
  if (input.refusal) co_return std::move(*input.refusal);
  const auto& value = input.value;
  auto found = find_usable_stream(service, value);
  if (found.refusal) co_return std::move(*found.refusal);
  const stream::StreamRef stream = found.stream;
  const auto index = stream::parse_shard_name(value["ShardId"].text);
  const auto* shard = index ? stream->find_shard(*index) : nullptr;
  const WallTime now = service.now();
  if (shard == nullptr || expired(*stream, *shard, now))
    co_return shard_not_found(service, value["ShardId"].text, stream->name);
  const auto tip = service.engine().tip(shard->id);
  if (!tip.ok()) co_return shard_not_found(service, value["ShardId"].text, stream->name);

  if (!service.limits().take_iterator(shard->id, service.mono_now(), dry_run(value))) {
    co_return error_reply(
        ApiError::kProvisionedThroughputExceeded,
        fmt::format("Rate exceeded for shard {} in stream {} under account {}.",
                    stream::shard_name(shard->index), stream->name, service.options().account));
  }
  StartingPoint point{value["ShardIteratorType"].text, value["StartingSequenceNumber"].string(),
                      std::nullopt};
  if (value["Timestamp"].present) point.time = from_millis(value["Timestamp"].integer);
  auto start = co_await find_start(service, call, *shard, *tip, point);
  if (start.refusal) co_return std::move(*start.refusal);
  if (dry_run(value)) co_return dry_run_reply();
  const stream::ShardIterator iterator{stream->id, stream->name, shard->index, start.position, now};
  wire::DocumentWriter document(call.format, 1024);
  document.open_map().text("ShardIterator", seal(service.sealer(), iterator)).close_map();
  co_return reply_with(std::move(document));
}

}  // namespace spillway::kinesis
