#include "kinesis/put_groups.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "stream/hash_key.h"
#include "stream/record_batch.h"

namespace spillway::kinesis {

namespace {

// Fails what waits behind a record of its lane that isn't stored.
void hold_lanes(std::span<PutEntry> entries) {
  std::array<const PutEntry*, stream::kLanes> first_failed{};
  for (auto& entry : entries) {
    if (!entry.origin || entry.outcome.ok()) continue;
    const PutEntry*& failed = first_failed[entry.origin->lane];
    if (failed == nullptr) {
      if (!entry.waits()) failed = &entry;
    } else if (entry.waits()) {
      entry.outcome = Error{failed->outcome.error().code,
                            "An earlier record of its lane in this request was not stored."};
      entry.held_back = true;
    }
  }
}

// The lanes whose waiting records go to more than one shard.
using Lanes = std::array<bool, stream::kLanes>;
Lanes divided_lanes(std::span<const PutEntry> entries) {
  Lanes divided{};
  std::array<const stream::ShardInfo*, stream::kLanes> shard_of{};
  for (const auto& entry : entries) {
    if (!entry.origin || !entry.waits()) continue;
    const auto*& shard = shard_of[entry.origin->lane];
    if (shard != nullptr && shard != entry.shard) divided[entry.origin->lane] = true;
    shard = entry.shard;
  }
  return divided;
}

struct GroupKey {
  const stream::ShardInfo* shard;
  std::uint32_t fate;
  friend bool operator==(const GroupKey&, const GroupKey&) = default;
};
struct GroupKeyHash {
  std::size_t operator()(const GroupKey& key) const {
    return std::hash<const void*>()(key.shard) + key.fate;
  }
};

std::size_t stored_size(const PutEntry& entry) {
  return stream::RecordBatchBuilder::size_of(wire::blob_room(*entry.data), entry.key.size(),
                                             entry.explicit_hash_key.has_value(),
                                             entry.origin.has_value());
}

}  // namespace

std::vector<PutGroup> group(const stream::StreamInfo& stream, std::span<PutEntry> entries) {
  bool origins = false;
  for (auto& entry : entries) {
    if (!entry.waits()) continue;
    entry.shard = stream.open_shard_for(entry.hash_key);
    if (entry.shard == nullptr) entry.outcome = Error{ErrorCode::kIo, "no open shard for the key"};
    origins = origins || entry.origin.has_value();
  }
  if (origins) hold_lanes(entries);
  const Lanes divided = origins ? divided_lanes(entries) : Lanes{};

  std::vector<PutGroup> groups;
  std::unordered_map<GroupKey, std::size_t, GroupKeyHash> group_of;
  for (auto& entry : entries) {
    if (!entry.waits()) continue;
    const bool apart = entry.origin && divided[entry.origin->lane];
    const std::uint32_t fate = apart ? entry.origin->lane + 1U : 0;
    const auto [at, fresh] = group_of.try_emplace({entry.shard, fate}, groups.size());
    if (fresh) groups.push_back({entry.shard, fate, stream::kBatchHeaderSize, {}});
    PutGroup& group = groups[at->second];
    entry.shard_index = entry.shard->index;
    group.entries.push_back(&entry);
    group.bytes += stored_size(entry);
  }
  return groups;
}

void limit(Service& service, std::vector<PutGroup>& groups, std::span<PutEntry> entries,
           bool only_asked) {
  if (service.options().limits == Limits::kNone) return;
  const auto drop_failed = [](PutGroup& group) {
    std::erase_if(group.entries, [](const PutEntry* entry) { return !entry->waits(); });
  };
  std::vector<std::size_t> sizes;
  for (auto& group : groups) {
    drop_failed(group);
    sizes.clear();
    for (const auto* entry : group.entries) sizes.push_back(entry->size);
    const auto taken =
        service.limits().take_records(group.shard->id, sizes, service.mono_now(), only_asked);
    if (taken == group.entries.size()) continue;
    for (std::size_t i = taken; i < group.entries.size(); ++i)
      group.entries[i]->outcome = Error{ErrorCode::kThrottled, "the shard takes no more"};
    Flow flow;
    flow.write_exceeded = group.entries.size() - taken;
    if (!only_asked) service.traffic().add(group.shard->id, flow);
    hold_lanes(entries);
  }
  // What was held back behind a record of a later group has used up what its shard takes all the
  // same.
  for (auto& group : groups) drop_failed(group);
  std::erase_if(groups, [](const PutGroup& group) { return group.entries.empty(); });
}

}  // namespace spillway::kinesis
