#include "kinesis/start_position.h"

#include "stream/sequence_number.h"

namespace spillway::kinesis {

namespace {

Start refused(std::string_view why) { return {{}, error_reply(ApiError::kInvalidArgument, why)}; }

Start at_number(const Call& call, const StartingPoint& point, const stream::ShardInfo& shard,
                const stream::ShardTip& tip) {
  if (!point.sequence_number)
    return refused(fmt::format("StartingSequenceNumber is required for {}.", point.type));
  const auto number = stream::parse_sequence_number(*point.sequence_number);
  if (!number || !number->belongs_to(shard)) {
    return refused(
        fmt::format("StartingSequenceNumber {} used in {} on shard {} is invalid "
                    "because it did not come from this shard.",
                    *point.sequence_number, call.operation, stream::shard_name(shard.index)));
  }
  if (number->is_shard_end()) return {tip.next, std::nullopt};
  const auto position = number->position();
  if (!position) return {};  // the shard's start
  if (*position >= tip.next) {
    return refused(fmt::format("StartingSequenceNumber {} lies beyond the last record of shard {}.",
                               *point.sequence_number, stream::shard_name(shard.index)));
  }
  return {point.type == "AFTER_SEQUENCE_NUMBER" ? position->plus(1) : *position, std::nullopt};
}

}  // namespace

Task<Start> find_start(Service& service, Call& call, const stream::ShardInfo& shard,
                       const stream::ShardTip& tip, StartingPoint point) {
  if (point.type == "LATEST") co_return Start{tip.next, std::nullopt};
  if (point.type == "AT_SEQUENCE_NUMBER" || point.type == "AFTER_SEQUENCE_NUMBER")
    co_return at_number(call, point, shard, tip);
  WallTime time{};  // TRIM_HORIZON
  if (point.type == "AT_TIMESTAMP") {
    if (!point.time) co_return refused("Timestamp is required for AT_TIMESTAMP.");
    time = *point.time;
    if (const auto now = service.now(); time > now) {
      co_return refused(fmt::format(
          "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. "
          "timestampInMillis: {}, currentTimestampInMillis: {}",
          to_millis(time), to_millis(now)));
    }
  }
  const auto id = shard.id;
  auto awaiter = on_loop<Result<stream::Position>>(call.loop, [&service, id, time](auto done) {
    service.engine().find_by_time(id, time, std::move(done));
  });
  auto position = co_await awaiter;
  if (!position.ok()) co_return Start{{}, engine_reply(position.error(), call.operation)};
  co_return Start{*position, std::nullopt};
}

Reply shard_not_found(Service& service, std::string_view shard, std::string_view stream) {
  return error_reply(ApiError::kResourceNotFound,
                     fmt::format("Shard {} in stream {} under account {} does not exist", shard,
                                 stream, service.options().account));
}

}  // namespace spillway::kinesis
