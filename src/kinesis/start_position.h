// Where a read begins, as GetShardIterator and SubscribeToShard name it.
#pragma once

#include <optional>
#include <string_view>

#include "kinesis/service.h"

namespace spillway::kinesis {

struct StartingPoint {
  std::string_view type;  // "AT_TIMESTAMP": valid
  // Where the input has them.
  std::optional<std::string_view> sequence_number;
  std::optional<WallTime> time;
};

// The position; or the answer to give instead.
struct Start {
  stream::Position position;
  std::optional<Reply> refusal;
};

// `point` must stay valid until the task has ended.
Task<Start> find_start(Service& service, Call& call, const stream::ShardInfo& shard,
                       const stream::ShardTip& tip, StartingPoint point);

Reply shard_not_found(Service& service, std::string_view shard, std::string_view stream);

}  // namespace spillway::kinesis
