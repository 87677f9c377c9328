#include "sim/engine_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "base/assert.h"

namespace spillway::sim {

namespace {

template <typename... Args>
Error wrong(fmt::format_string<Args...> format, Args&&... args) {
  return Error{ErrorCode::kCorrupt, fmt::format(format, std::forward<Args>(args)...)};
}

constexpr std::int64_t kHourMs = 3'600'000;

bool same(const stream::StoredBatch& batch, std::uint64_t first, std::uint32_t count,
          std::int64_t arrival_ms, std::string_view payload) {
  return batch.first.value == first && batch.count == count &&
         to_millis(batch.arrival) == arrival_ms && batch.payload == payload;
}

std::set<std::string> names_of(const stream::Catalog& catalog) {
  std::set<std::string> names;
  for (const auto& [name, stream] : catalog.streams) names.insert(name);
  return names;
}

}  // namespace

EngineModel::OperationId EngineModel::begin_append(std::vector<ModelItem> items) {
  in_flight_.push_back({.id = ++last_id_, .items = std::move(items)});
  return last_id_;
}

void EngineModel::refused_in_part(OperationId id) {
  const auto found = std::ranges::find(in_flight_, id, &Operation::id);
  if (found != in_flight_.end()) found->refused_in_part = true;
}

EngineModel::OperationId EngineModel::begin_catalog_change(Names made, Names removed) {
  in_flight_.push_back({.id = ++last_id_,
                        .is_catalog_change = true,
                        .items = {},
                        .made = std::move(made),
                        .removed = std::move(removed)});
  return last_id_;
}

EngineModel::Operation EngineModel::take(OperationId id) {
  const auto found = std::ranges::find(in_flight_, id, &Operation::id);
  SPILLWAY_ASSERT(found != in_flight_.end());
  Operation operation = std::move(*found);
  in_flight_.erase(found);
  return operation;
}

bool EngineModel::catalog_change_in_flight() const {
  return std::ranges::any_of(in_flight_, &Operation::is_catalog_change);
}

void EngineModel::adopt(stream::CatalogRef catalog) {
  catalog_ = std::move(catalog);
  std::map<stream::ShardId, Shard> shards;
  for (const auto& [name, stream] : catalog_->streams) {
    for (const auto& info : stream->shards) {
      Shard& shard = shards[info.id] = std::move(shards_[info.id]);
      shard.retention_ms = stream->retention_hours * kHourMs;
    }
  }
  shards_ = std::move(shards);
}

Status EngineModel::appended(OperationId id, const std::vector<Result<stream::Appended>>& outcomes,
                             std::uint64_t synced) {
  Operation operation = take(id);
  if (outcomes.size() != operation.items.size())
    return wrong("append {} got {} outcomes for {} items", id, outcomes.size(),
                 operation.items.size());
  std::vector<ModelItem> uncertain;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    auto& item = operation.items[i];
    if (!outcomes[i].ok()) {
      if (outcomes[i].error().code == ErrorCode::kIo) uncertain.push_back(std::move(item));
      continue;
    }
    last_synced_ = std::max(last_synced_, synced);
    const auto found = shards_.find(item.shard);
    if (found == shards_.end()) continue;  // its stream was deleted after it was taken
    Shard& shard = found->second;
    const std::int64_t arrival_ms = to_millis(outcomes[i]->arrival);
    if (outcomes[i]->first.value != shard.next)
      return wrong("append {}: shard {} gave position {}, not {}", id, item.shard,
                   outcomes[i]->first.value, shard.next);
    if (!shard.held.empty() && arrival_ms < shard.held.back().arrival_ms)
      return wrong("append {}: the arrival time of shard {} went back", id, item.shard);
    shard.held.push_back({shard.next, item.count, arrival_ms, std::move(item.payload), synced});
    shard.next += item.count;
    acknowledged_ += item.count;
  }
  if (uncertain.empty()) return {};
  operation.items = std::move(uncertain);
  const auto behind = std::ranges::upper_bound(in_flight_, id, {}, &Operation::id);
  in_flight_.insert(behind, std::move(operation));
  return {};
}

Status EngineModel::catalog_changed(OperationId id, const Result<stream::CatalogRef>& outcome,
                                    std::uint64_t synced) {
  Operation operation = take(id);
  if (!outcome.ok()) {
    if (outcome.error().code != ErrorCode::kIo) return {};
    const auto behind = std::ranges::upper_bound(in_flight_, id, {}, &Operation::id);
    in_flight_.insert(behind, std::move(operation));
    return {};
  }
  if ((*outcome)->version <= catalog_->version)
    return wrong("catalog change {}: version {} after {}", id, (*outcome)->version,
                 catalog_->version);
  last_synced_ = catalog_synced_ = std::max(last_synced_, synced);
  adopt(*outcome);
  return {};
}

Status EngineModel::check_read(stream::ShardId id, stream::Position from,
                               const stream::ReadResult& result, WallTime after) const {
  const auto found = shards_.find(id);
  if (found == shards_.end()) return {};  // deleted meanwhile
  const Shard& shard = found->second;
  const std::int64_t horizon = to_millis(after) - shard.retention_ms;
  // The first that ends behind `from`, as the read's first batch does.
  auto held = std::ranges::upper_bound(shard.held, from.value, {}, &Held::end);
  for (const auto& batch : result.batches) {
    while (held != shard.held.end() && held->first < batch.first.value) {
      if (held->arrival_ms >= horizon)
        return wrong("a read of shard {} passed over position {}", id, held->first);
      ++held;
    }
    if (held == shard.held.end() ||
        !same(batch, held->first, held->count, held->arrival_ms, held->payload))
      return wrong("a read of shard {} gave a batch at position {} that was not acknowledged", id,
                   batch.first.value);
    ++held;
  }
  for (; held != shard.held.end() && held->end() <= result.next.value; ++held)
    if (held->arrival_ms >= horizon)
      return wrong("a read of shard {} passed over position {}", id, held->first);
  return {};
}

Status EngineModel::check_found(stream::ShardId id, WallTime time, WallTime before, WallTime after,
                                stream::Position position) const {
  const auto found = shards_.find(id);
  if (found == shards_.end()) return {};
  const Shard& shard = found->second;
  const auto expected = [&](WallTime now) {
    const std::int64_t from = std::max(to_millis(time), to_millis(now) - shard.retention_ms);
    const auto held = std::ranges::lower_bound(shard.held, from, {}, &Held::arrival_ms);
    return held == shard.held.end() ? shard.next : held->first;
  };
  if (position.value < expected(before) || position.value > expected(after))
    return wrong("find_by_time of shard {} gave position {}, not {}", id, position.value,
                 expected(before));
  return {};
}

// What is seen of a shard against what is held; what is seen beyond goes into `beyond`.
Status EngineModel::check_shard(stream::ShardId id, const Shard& shard, const Seen& seen,
                                std::vector<stream::StoredBatch>& beyond, bool damaged) const {
  auto batch = seen.batches.begin();
  for (const auto& held : shard.held) {
    const bool there = batch != seen.batches.end() && batch->first.value == held.first;
    if (there) {
      if (!same(*batch, held.first, held.count, held.arrival_ms, held.payload))
        return wrong("shard {}: the batch at position {} is not the one that was put", id,
                     held.first);
      if (held.arrival_ms < to_millis(seen.before) - shard.retention_ms)
        return wrong("shard {}: the batch at position {} has expired and is given", id, held.first);
      checked_ += held.count;
      ++batch;
      continue;
    }
    const bool may_be_missing = held.arrival_ms < to_millis(seen.after) - shard.retention_ms ||
                                (damaged && held.synced >= last_synced_);
    if (!may_be_missing)
      return wrong("shard {}: the acknowledged batch at position {} is lost", id, held.first);
  }
  beyond.assign(batch, seen.batches.end());
  if (!damaged && seen.tip.next.value < shard.next)
    return wrong("shard {}: the tip is at {}, before {}", id, seen.tip.next.value, shard.next);
  return {};
}

// How many of the unanswered catalog changes are in `catalog`.
Status EngineModel::check_catalog(const stream::CatalogRef& catalog, std::size_t& survived) const {
  if (catalog->version < catalog_->version)
    return wrong("the catalog has version {}, before {}", catalog->version, catalog_->version);
  survived = catalog->version - catalog_->version;
  auto expected = names_of(*catalog_);
  std::size_t left = survived;
  for (const auto& operation : in_flight_) {
    if (!operation.is_catalog_change || left == 0) continue;
    --left;
    for (const auto& name : operation.removed) expected.erase(name);
    expected.insert(operation.made.begin(), operation.made.end());
  }
  if (left > 0) return wrong("the catalog holds {} changes that nobody asked for", left);
  if (names_of(*catalog) != expected)
    return wrong("the catalog of version {} holds other streams than were made", catalog->version);
  if (survived == 0 && stream::encode(*catalog) != stream::encode(*catalog_))
    return wrong("the catalog of version {} isn't the one that was answered", catalog->version);
  return {};
}

Status EngineModel::match(std::deque<stream::StoredBatch>& beyond, const ModelItem& item) const {
  if (beyond.empty() || beyond.front().payload != item.payload ||
      beyond.front().count != item.count)
    return wrong("shard {}: an unanswered item is there in part or out of order", item.shard);
  beyond.pop_front();
  return {};
}

// Finds the prefixes of unanswered operations that explain what was seen.
Status EngineModel::conclude(
    const std::map<stream::ShardId, std::vector<stream::StoredBatch>>& beyond,
    std::size_t catalog_changes) {
  std::set<stream::ShardId> closed;
  for (const auto& [name, stream] : catalog_->streams)
    for (const auto& info : stream->shards)
      if (!info.open()) closed.insert(info.id);
  std::map<stream::ShardId, std::deque<stream::StoredBatch>> left;
  for (const auto& [id, batches] : beyond) left[id].assign(batches.begin(), batches.end());
  // The first of each that is known not to be there.
  std::optional<OperationId> absent_change;
  std::optional<OperationId> absent_append;
  std::map<stream::ShardId, OperationId> absent_of_shard;
  for (const auto& operation : in_flight_) {
    std::optional<bool> there;
    if (operation.is_catalog_change) {
      there = catalog_changes > 0;
      if (*there) --catalog_changes;
    }
    for (const auto& item : operation.items) {
      const auto found = left.find(item.shard);
      if (found == left.end()) continue;  // its stream is deleted: nobody can tell
      const bool is_there = !found->second.empty() && found->second.front().payload == item.payload;
      // It may have been refused.
      if (!is_there && (closed.contains(item.shard) || operation.refused_in_part)) continue;
      if (there && *there != is_there) return wrong("operation {} is there in part", operation.id);
      there = is_there;
      const auto before = absent_of_shard.find(item.shard);
      if (is_there && before != absent_of_shard.end()) {
        return wrong("operation {} is there, though {} before it is not", operation.id,
                     before->second);
      }
      if (is_there) SPILLWAY_TRY(match(found->second, item));
      if (!is_there) absent_of_shard.try_emplace(item.shard, operation.id);
    }
    const auto& absent =
        operation.is_catalog_change && !absent_change ? absent_append : absent_change;
    if (there == true && absent)
      return wrong("operation {} is there, though {} before it is not", operation.id, *absent);
    auto& first = operation.is_catalog_change ? absent_change : absent_append;
    if (there == false && !first) first = operation.id;
  }
  for (const auto& [id, batches] : left)
    if (!batches.empty())
      return wrong("shard {}: the batch at position {} was never put", id,
                   batches.front().first.value);
  return {};
}

Status EngineModel::check_recovered(const stream::CatalogRef& catalog,
                                    const std::map<stream::ShardId, Seen>& seen) {
  std::size_t catalog_changes = 0;
  SPILLWAY_TRY(check_catalog(catalog, catalog_changes));
  // A change that was in flight stood in the last frame, as the appends below did.
  if (catalog->version > catalog_->version) catalog_synced_ = last_synced_;
  adopt(catalog);
  std::map<stream::ShardId, std::vector<stream::StoredBatch>> beyond;
  for (const auto& [id, shard] : shards_) {
    const auto found = seen.find(id);
    if (found == seen.end()) return wrong("shard {} is not there", id);
    SPILLWAY_TRY(check_shard(id, shard, found->second, beyond[id], false));
  }
  SPILLWAY_TRY(conclude(beyond, catalog_changes));
  in_flight_.clear();
  for (auto& [id, batches] : beyond) {
    Shard& shard = shards_[id];
    for (const auto& batch : batches) {
      if (batch.first.value != shard.next)
        return wrong("shard {}: position {} follows {}", id, batch.first.value, shard.next);
      shard.held.push_back({batch.first.value, batch.count, to_millis(batch.arrival),
                            std::string(batch.payload), last_synced_});
      shard.next = shard.held.back().end();
    }
    const auto& tip = seen.at(id).tip;
    if (tip.next.value != shard.next)
      return wrong("shard {}: the tip is at {}, not {}", id, tip.next.value, shard.next);
  }
  for (const auto& [name, stream] : catalog->streams) {
    for (const auto& info : stream->shards) {
      if (seen.at(info.id).tip.closed != !info.open() ||
          (info.ended && info.ended->end.value != shards_[info.id].next))
        return wrong("shard {}: its end isn't that of the catalog", info.id);
    }
  }
  return {};
}

Status EngineModel::check_damaged(const stream::CatalogRef& catalog,
                                  const std::map<stream::ShardId, Seen>& seen) const {
  if (catalog->version < catalog_->version && catalog_synced_ < last_synced_)
    return wrong("the catalog went back to version {} without a word", catalog->version);
  for (const auto& [id, shard] : shards_) {
    const auto found = seen.find(id);
    if (found == seen.end()) {
      if (catalog->version >= catalog_->version && in_flight_.empty())
        return wrong("shard {} is gone without a word", id);
      continue;
    }
    std::vector<stream::StoredBatch> beyond;
    SPILLWAY_TRY(check_shard(id, shard, found->second, beyond, true));
    for (const auto& batch : beyond) {
      const bool asked = std::ranges::any_of(in_flight_, [&](const Operation& operation) {
        return std::ranges::any_of(operation.items, [&](const ModelItem& item) {
          return item.shard == id && item.payload == batch.payload;
        });
      });
      if (!asked)
        return wrong("shard {}: the batch at position {} was never put", id, batch.first.value);
    }
  }
  return {};
}

}  // namespace spillway::sim
