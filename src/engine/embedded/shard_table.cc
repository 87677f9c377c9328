#include "engine/embedded/shard_table.h"

#include <unordered_set>

#include "base/assert.h"

namespace spillway::engine {

namespace {
constexpr std::int64_t kHourMs = 3'600'000;
// A batch's own weight in memory: its place in the deques and its block.
constexpr std::uint64_t kBatchOverhead = 128;

std::uint32_t data_key_of(const stream::StreamInfo& stream) {
  const auto& encryption = stream.encryption;
  return encryption.on && !encryption.keys.empty() ? encryption.keys.back().number : 0;
}
}  // namespace

std::uint64_t ShardTable::cost_of(const log::Batch& batch) {
  return batch.payload.size() + kBatchOverhead;
}

Shard* ShardTable::find(stream::ShardId id) {
  const auto found = shards_.find(id);
  return found != shards_.end() ? found->second.get() : nullptr;
}

void ShardTable::add_shards(const stream::StreamInfo& stream, std::uint64_t first_position) {
  for (const auto& info : stream.shards) {
    auto& shard = shards_[info.id];
    if (shard != nullptr) continue;
    shard = std::make_unique<Shard>();
    shard->sequenced_next = shard->visible_next = first_position;
    shard->retention_ms = std::int64_t{stream.retention_hours} * kHourMs;
    shard->expired_before_ms = to_millis(stream.expired_before);
  }
}

void ShardTable::foresee(const stream::StreamInfo& stream, std::uint64_t first_position) {
  add_shards(stream, first_position);
  for (const auto& info : stream.shards) shards_[info.id]->data_key = data_key_of(stream);
}

void ShardTable::adopt(const stream::Catalog& visible, const stream::Catalog& newest,
                       std::uint64_t first_position) {
  std::unordered_set<stream::ShardId> present;
  for (const auto& [name, stream] : visible.streams) {
    add_shards(*stream, first_position);
    for (const auto& info : stream->shards) {
      present.insert(info.id);
      Shard& shard = *shards_[info.id];
      shard.retention_ms = std::int64_t{stream->retention_hours} * kHourMs;
      shard.expired_before_ms = to_millis(stream->expired_before);
      if (!info.open()) shard.closed = shard.visibly_closed = true;
      if (&newest == &visible) shard.data_key = data_key_of(*stream);
    }
  }
  if (&newest != &visible) {
    for (const auto& [name, stream] : newest.streams)
      for (const auto& info : stream->shards) present.insert(info.id);
  }
  const auto gone = std::erase_if(shards_, [&](const auto& entry) {
    if (present.count(entry.first) > 0) return false;
    for (const auto& held : entry.second->tail) tail_bytes_ -= cost_of(held.batch);
    return true;
  });
  // Eviction, which would pass over theirs, may not come for long.
  if (gone > 0)
    std::erase_if(order_, [this](const auto& entry) { return find(entry.second) == nullptr; });
}

void ShardTable::publish(const log::Batch& batch, std::uint64_t frame) {
  Shard* shard = find(batch.shard);
  if (shard == nullptr) return;  // its stream was deleted meanwhile
  SPILLWAY_ASSERT(batch.first >= shard->visible_next);
  shard->visible_next = batch.end();
  shard->visible_arrival_ms = batch.arrival_ms;
  shard->sequenced_next = std::max(shard->sequenced_next, shard->visible_next);
  shard->sequenced_arrival_ms = std::max(shard->sequenced_arrival_ms, batch.arrival_ms);
  shard->tail.push_back({batch, frame});
  order_.emplace_back(frame, batch.shard);
  tail_bytes_ += cost_of(batch);
}

void ShardTable::forget_sequenced() {
  for (auto& [id, shard] : shards_) {
    shard->sequenced_next = shard->visible_next;
    shard->sequenced_arrival_ms = shard->visible_arrival_ms;
    shard->closed = shard->visibly_closed;
    shard->queued_bytes = 0;
  }
}

std::vector<log::Batch> ShardTable::batches_between(std::uint64_t after,
                                                    std::uint64_t through) const {
  std::vector<stream::ShardId> ids;
  for (const auto& [id, shard] : shards_)
    if (!shard->tail.empty() && shard->tail.back().frame > after) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  std::vector<log::Batch> batches;
  for (const stream::ShardId id : ids) {
    for (const auto& held : shards_.at(id)->tail)
      if (held.frame > after && held.frame <= through) batches.push_back(held.batch);
  }
  return batches;
}

std::vector<ShardTipRow> ShardTable::tips() const {
  std::vector<ShardTipRow> rows;
  rows.reserve(shards_.size());
  for (const auto& [id, shard] : shards_)
    rows.push_back({id, shard->visible_next, shard->visible_arrival_ms});
  std::sort(rows.begin(), rows.end(),
            [](const ShardTipRow& a, const ShardTipRow& b) { return a.shard < b.shard; });
  return rows;
}

void ShardTable::evict(std::uint64_t through, std::uint64_t bytes_max) {
  while (tail_bytes_ > bytes_max && !order_.empty() && order_.front().first <= through) {
    const auto [frame, id] = order_.front();
    order_.pop_front();
    Shard* shard = find(id);
    if (shard == nullptr || shard->tail.empty() || shard->tail.front().frame != frame) continue;
    tail_bytes_ -= cost_of(shard->tail.front().batch);
    shard->tail.pop_front();
  }
}

}  // namespace spillway::engine
