#include "kinesis/handlers.h"
#include "kinesis/service.h"
#include "wire/kinesis_shapes.h"

namespace spillway::kinesis {

namespace {
constexpr std::int64_t kOnDemandStreamsMax = 50;  // as AWS says; not enforced
}  // namespace

Task<Reply> describe_limits(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kDescribeLimitsInput);
  if (input.refusal) co_return std::move(*input.refusal);
  std::size_t open = 0;
  std::int64_t on_demand = 0;
  for (const auto& [name, stream] : service.engine().catalog()->streams) {
    if (stream->gone_at(service.now())) continue;
    if (stream->mode == stream::StreamMode::kOnDemand) {
      ++on_demand;
    } else {
      open += stream->open_shard_count();
    }
  }
  wire::DocumentWriter document(call.format);
  document.open_map().number("ShardLimit", kShardsMax);
  document.number("OpenShardCount", static_cast<std::int64_t>(open));
  document.number("OnDemandStreamCount", on_demand);
  document.number("OnDemandStreamCountLimit", kOnDemandStreamsMax).close_map();
  co_return reply_with(std::move(document));
}

}  // namespace spillway::kinesis
