#include "kinesis/handlers.h"
#include "kinesis/service.h"
#include "stream/sequence_number.h"
#include "wire/kinesis_shapes.h"

namespace spillway::kinesis {

namespace {

Reply shard_not_found(Service& service, std::string_view shard, std::string_view stream) {
  return error_reply(ApiError::kResourceNotFound,
                     fmt::format("Shard {} in stream {} under account {} does not exist", shard,
                                 stream, service.options().account));
}

// Where AT_ or AFTER_SEQUENCE_NUMBER begin; or the answer to give instead.
struct Start {
  stream::Position position;
  std::optional<Reply> refusal;
};

Start start_at(std::string_view digits, bool after, const stream::ShardInfo& shard,
               const stream::ShardTip& tip) {
  const auto number = stream::parse_sequence_number(digits);
  if (!number || !number->belongs_to(shard)) {
    return {
        {},
        error_reply(ApiError::kInvalidArgument,
                    fmt::format("StartingSequenceNumber {} used in GetShardIterator on shard {} "
                                "is invalid because it did not come from this shard.",
                                digits, stream::shard_name(shard.index)))};
  }
  if (number->is_shard_end()) return {tip.next, std::nullopt};
  const auto position = number->position();
  if (!position) return {{}, std::nullopt};  // the shard's start
  if (*position >= tip.next) {
    return {{},
            error_reply(ApiError::kInvalidArgument,
                        fmt::format("StartingSequenceNumber {} lies beyond the last record of "
                                    "shard {}.",
                                    digits, stream::shard_name(shard.index)))};
  }
  return {after ? position->plus(1) : *position, std::nullopt};
}

}  // namespace

Task<Reply> get_shard_iterator(Service& service, Call& call) {
  auto input = read_input(call, wire::kinesis::kGetShardIteratorInput);
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

  stream::ShardIterator iterator{stream->id, stream->name, shard->index, tip->next, now};
  const std::string_view type = value["ShardIteratorType"].text;
  if (type == "AT_SEQUENCE_NUMBER" || type == "AFTER_SEQUENCE_NUMBER") {
    const auto digits = value["StartingSequenceNumber"].string();
    if (!digits) {
      co_return error_reply(ApiError::kInvalidArgument,
                            fmt::format("StartingSequenceNumber is required for {}.", type));
    }
    auto start = start_at(*digits, type == "AFTER_SEQUENCE_NUMBER", *shard, *tip);
    if (start.refusal) co_return std::move(*start.refusal);
    iterator.position = start.position;
  } else if (type != "LATEST") {
    WallTime time{};  // TRIM_HORIZON
    if (type == "AT_TIMESTAMP") {
      if (!value["Timestamp"].present)
        co_return error_reply(ApiError::kInvalidArgument,
                              "Timestamp is required for AT_TIMESTAMP.");
      time = from_millis(value["Timestamp"].integer);
      if (time > now) {
        co_return error_reply(
            ApiError::kInvalidArgument,
            fmt::format(
                "The timestampInMillis parameter cannot be greater than the "
                "currentTimestampInMillis. timestampInMillis: {}, currentTimestampInMillis: {}",
                to_millis(time), to_millis(now)));
      }
    }
    const auto id = shard->id;
    auto awaiter = on_loop<Result<stream::Position>>(call.loop, [&service, id, time](auto done) {
      service.engine().find_by_time(id, time, std::move(done));
    });
    auto position = co_await awaiter;
    if (!position.ok()) co_return engine_reply(position.error(), "GetShardIterator");
    iterator.position = *position;
  }
  wire::DocumentWriter document(call.format, 1024);
  document.open_map().text("ShardIterator", seal(service.sealer(), iterator)).close_map();
  co_return reply_with(std::move(document));
}

}  // namespace spillway::kinesis
