#include "kinesis/on_demand.h"

#include <algorithm>

namespace spillway::kinesis {

namespace {

constexpr std::uint64_t kShardsMin = 4;  // as a new one has them: 4 MiB a second
constexpr std::uint64_t kShardsScaledMax = 10'000;
constexpr int kChangesMax = 16;                           // a tick
constexpr nanoseconds kMeasureEvery = milliseconds(900);  // of ticks that come every second

stream::ScalingBounds bounds_of(const stream::StreamInfo& stream) {
  // A shard takes a MiB a second: as many are kept warm.
  const std::uint64_t warm = stream.warm_throughput_mibps.value_or(0);
  return {warm, kShardsMin, kShardsScaledMax};
}

bool scaled(const stream::StreamInfo& stream, WallTime now) {
  return stream.mode == stream::StreamMode::kOnDemand &&
         stream.status_at(now) == stream::StreamStatus::kActive;
}

bool anything(const stream::ReshardRound& round) {
  return !round.splits.empty() || !round.merges.empty();
}

}  // namespace

void OnDemandScaling::measure(const stream::StreamInfo& stream, MonoTime now) {
  for (const auto& shard : stream.shards) {
    if (!shard.open()) continue;
    const auto [entry, fresh] = loads_.try_emplace(shard.id);
    if (fresh) {
      for (const auto& parent : {shard.parent, shard.adjacent_parent}) {
        const auto* info = parent ? stream.find_shard(*parent) : nullptr;
        const auto found = info != nullptr ? loads_.find(info->id) : loads_.end();
        if (found != loads_.end())
          entry->second.inherit(found->second, shard.adjacent_parent ? 1.0 : 0.5);
      }
    }
    const Flow flow = service_.traffic().of(shard.id);
    entry->second.measure(flow.incoming_bytes, flow.incoming_records, now);
  }
}

void OnDemandScaling::change(const stream::StreamInfo& stream, MonoTime now) {
  service_.engine().update_catalog(
      [&, this](const stream::Catalog& catalog) -> Result<stream::CatalogChange> {
        const auto newest = catalog.find(stream.name);
        if (newest == nullptr || newest->id != stream.id || !scaled(*newest, service_.now()))
          return Error{ErrorCode::kExists, "it was changed meanwhile"};
        const auto round = stream::scale(*newest, loads_, bounds_of(*newest), now);
        if (!anything(round)) return Error{ErrorCode::kExists, "there is nothing to do any more"};
        stream::CatalogChange change;
        change.put.push_back(*newest);
        for (const auto& one : round.splits) stream::split(one, catalog.next_id, change);
        for (const auto& one : round.merges) stream::merge(one, catalog.next_id, change);
        service_.settle_later(change.put.front(), stream::StreamStatus::kUpdating);
        return change;
      },
      [failed = failed_](const Result<stream::CatalogRef>& changed) {
        if (!changed.ok() && changed.error().code != ErrorCode::kExists) failed(changed.error());
      });
}

void OnDemandScaling::tick(MonoTime now) {
  if (now - measured_at_ < kMeasureEvery) return;
  measured_at_ = now;
  const auto catalog = service_.engine().catalog();
  std::map<stream::ShardId, stream::ShardLoad> open;
  int changes = 0;
  for (const auto& [name, stream] : catalog->streams) {
    if (stream->mode != stream::StreamMode::kOnDemand) continue;
    measure(*stream, now);
    if (changes < kChangesMax && scaled(*stream, service_.now()) &&
        anything(stream::scale(*stream, loads_, bounds_of(*stream), now))) {
      ++changes;
      change(*stream, now);
    }
    for (const auto& shard : stream->shards)
      if (shard.open()) open.insert(loads_.extract(shard.id));
  }
  loads_ = std::move(open);
}

}  // namespace spillway::kinesis
