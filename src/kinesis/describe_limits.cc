#include "kinesis/handlers.h"
#include "kinesis/quotas.h"
#include "kinesis/service.h"
#include "wire/kinesis_shapes.h"

namespace spillway::kinesis {

Task<Reply> describe_limits(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kDescribeLimitsInput);
  if (input.refusal) co_return std::move(*input.refusal);
  const auto catalog = service.engine().catalog();
  const WallTime now = service.now();
  const auto on_demand = std::ranges::count_if(catalog->streams, [now](const auto& entry) {
    return !entry.second->gone_at(now) && entry.second->mode == stream::StreamMode::kOnDemand;
  });
  wire::DocumentWriter document(call.format);
  document.open_map().number("ShardLimit", shard_limit(service));
  document.number("OpenShardCount", open_shards(*catalog, now));
  document.number("OnDemandStreamCount", on_demand);
  document.number("OnDemandStreamCountLimit", kOnDemandStreamsMax).close_map();
  co_return reply_with(std::move(document));
}

}  // namespace spillway::kinesis
