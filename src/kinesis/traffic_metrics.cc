#include "kinesis/traffic_metrics.h"

#include "stream/sequence_number.h"

namespace spillway::kinesis {

namespace {

using metrics::AddSeries;
using metrics::SeriesType;

// One of Kinesis's metrics; in the order of the model's MetricsName.
struct Row {
  SeriesType type;
  std::string_view suffix;
  std::string_view help;
  std::int64_t (*value)(const Flow& flow);
};

constexpr Row kRows[] = {
    {SeriesType::kCounter, "incoming_bytes_total", "Bytes of records put (IncomingBytes)",
     [](const Flow& flow) { return static_cast<std::int64_t>(flow.incoming_bytes); }},
    {SeriesType::kCounter, "incoming_records_total", "Records put (IncomingRecords)",
     [](const Flow& flow) { return static_cast<std::int64_t>(flow.incoming_records); }},
    {SeriesType::kCounter, "outgoing_bytes_total", "Bytes of records read (OutgoingBytes)",
     [](const Flow& flow) { return static_cast<std::int64_t>(flow.outgoing_bytes); }},
    {SeriesType::kCounter, "outgoing_records_total", "Records read (OutgoingRecords)",
     [](const Flow& flow) { return static_cast<std::int64_t>(flow.outgoing_records); }},
    {SeriesType::kCounter, "write_provisioned_throughput_exceeded_total",
     "Records throttled (WriteProvisionedThroughputExceeded)",
     [](const Flow& flow) { return static_cast<std::int64_t>(flow.write_exceeded); }},
    {SeriesType::kCounter, "read_provisioned_throughput_exceeded_total",
     "Reads throttled (ReadProvisionedThroughputExceeded)",
     [](const Flow& flow) { return static_cast<std::int64_t>(flow.read_exceeded); }},
    {SeriesType::kGauge, "iterator_age_milliseconds",
     "How far the last read lay back (IteratorAgeMilliseconds)",
     [](const Flow& flow) { return flow.iterator_age_ms; }},
};

void add_streams(const Traffic& traffic, const stream::Catalog& catalog, const Row& row,
                 const AddSeries& add) {
  std::size_t shown = 0;
  for (const auto& [name, stream] : catalog.streams) {
    if (shown++ == kStreamsShown) return;
    add({{"stream", name}}, row.value(traffic.of(stream->id)));
  }
}

void add_shards(const Traffic& traffic, const stream::Catalog& catalog, std::size_t metric,
                const AddSeries& add) {
  std::size_t shown = 0;
  for (const auto& [name, stream] : catalog.streams) {
    if ((stream->shard_level_metrics >> metric & 1) == 0) continue;
    for (const auto& shard : stream->shards) {
      if (shown++ == kShardsShown) return;
      add({{"stream", name}, {"shard", stream::shard_name(shard.index)}},
          kRows[metric].value(traffic.of(shard.id)));
    }
  }
}

double hidden(const stream::Catalog& catalog) {
  std::size_t shards = 0;
  for (const auto& [name, stream] : catalog.streams)
    if (stream->shard_level_metrics != 0) shards += stream->shards.size();
  const std::size_t streams = catalog.streams.size();
  return static_cast<double>((streams > kStreamsShown ? streams - kStreamsShown : 0) +
                             (shards > kShardsShown ? shards - kShardsShown : 0));
}

}  // namespace

std::vector<std::shared_ptr<void>> show_traffic(const Traffic& traffic, stream::Engine& engine,
                                                metrics::Registry& metrics) {
  std::vector<std::shared_ptr<void>> handles;
  for (std::size_t i = 0; i < std::size(kRows); ++i) {
    const Row& row = kRows[i];
    handles.push_back(metrics.collected(row.type, fmt::format("spillway_stream_{}", row.suffix),
                                        row.help, [&traffic, &engine, &row](const AddSeries& add) {
                                          add_streams(traffic, *engine.catalog(), row, add);
                                        }));
    handles.push_back(metrics.collected(row.type, fmt::format("spillway_shard_{}", row.suffix),
                                        row.help, [&traffic, &engine, i](const AddSeries& add) {
                                          add_shards(traffic, *engine.catalog(), i, add);
                                        }));
  }
  handles.push_back(metrics.computed_gauge(
      "spillway_traffic_hidden", "Streams and monitored shards beyond what /metrics shows", {},
      [&engine] { return hidden(*engine.catalog()); }));
  return handles;
}

}  // namespace spillway::kinesis
