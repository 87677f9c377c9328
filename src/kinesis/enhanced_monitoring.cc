// EnableEnhancedMonitoring and DisableEnhancedMonitoring: which metrics of its shards a stream
// shows (traffic_metrics.h).
#include "kinesis/enhanced_monitoring.h"

#include "kinesis/handlers.h"
#include "wire/kinesis_shapes.h"

namespace spillway::kinesis {

namespace {

// Of MetricsName, in the model's order, but ALL.
constexpr std::string_view kNames[] = {"IncomingBytes",
                                       "IncomingRecords",
                                       "OutgoingBytes",
                                       "OutgoingRecords",
                                       "WriteProvisionedThroughputExceeded",
                                       "ReadProvisionedThroughputExceeded",
                                       "IteratorAgeMilliseconds"};
constexpr std::uint32_t kAll = (1U << std::size(kNames)) - 1;

std::uint32_t bits_of(const wire::Value& names) {
  std::uint32_t bits = 0;
  for (const auto& name : names.children) {
    if (name.text == "ALL") return kAll;
    const auto* at = std::ranges::find(kNames, name.text);
    bits |= 1U << (at - std::begin(kNames));
  }
  return bits;
}

Task<Reply> set_monitoring(Service& service, Call& call, const wire::Shape& shape, bool enable) {
  auto input = read_input(service, call, shape);
  if (input.refusal) co_return std::move(*input.refusal);
  auto named = name_in(service, input.value);
  if (named.refusal) co_return std::move(*named.refusal);
  const std::string name = named.name;
  const std::uint32_t bits = bits_of(input.value["ShardLevelMetrics"]);
  std::uint32_t before = 0;
  std::uint32_t after = 0;
  StreamEdit edit = [&](const stream::Catalog&,
                        stream::CatalogChange& change) -> std::optional<Reply> {
    auto& stream = change.put.front();
    before = stream.shard_level_metrics;
    after = enable ? before | bits : before & ~bits;
    stream.shard_level_metrics = after;
    service.settle_later(stream, stream::StreamStatus::kUpdating);
    return std::nullopt;
  };
  auto reply = co_await change_stream(service, call, name, std::move(edit));
  if (reply.status != 200) co_return reply;
  wire::DocumentWriter document(call.format, 1024);
  document.open_map().text("StreamName", name).text("StreamARN", service.arn_of(name));
  write_metrics_names(document.key("CurrentShardLevelMetrics"), before);
  write_metrics_names(document.key("DesiredShardLevelMetrics"), after);
  document.close_map();
  co_return reply_with(std::move(document));
}

}  // namespace

void write_metrics_names(wire::DocumentWriter& to, std::uint32_t bits) {
  to.open_list();
  for (std::size_t i = 0; i < std::size(kNames); ++i)
    if ((bits >> i & 1) != 0) to.text(kNames[i]);
  to.close_list();
}

Task<Reply> enable_enhanced_monitoring(Service& service, Call& call) {
  return set_monitoring(service, call, wire::kinesis::kEnableEnhancedMonitoringInput, true);
}

Task<Reply> disable_enhanced_monitoring(Service& service, Call& call) {
  return set_monitoring(service, call, wire::kinesis::kDisableEnhancedMonitoringInput, false);
}

}  // namespace spillway::kinesis
