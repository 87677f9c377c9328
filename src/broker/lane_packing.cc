#include "broker/lane_packing.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/uint128.h"
#include "broker/target.h"
#include "client/record_aggregate.h"
#include "stream/hash_key.h"
#include "wire/aggregate.h"

namespace spillway::broker {
namespace {

Uint128 hash_key_of(const client::PutEntry& entry) {
  if (!entry.explicit_hash_key) return stream::hash_key_of(entry.partition_key);
  return parse_uint128(*entry.explicit_hash_key).value();  // entry_of() wrote it
}

std::uint8_t lane_of(const client::PutEntry& entry) {
  return entry.origin ? entry.origin->lane : stream::lane_of(hash_key_of(entry));
}

bool same_hash_key(const client::PutEntry& a, const client::PutEntry& b) {
  if (a.explicit_hash_key == b.explicit_hash_key &&
      (a.explicit_hash_key || a.partition_key == b.partition_key))
    return true;
  return hash_key_of(a) == hash_key_of(b);
}

std::size_t bytes_in_aggregate(const client::PutEntry& entry) {
  return entry.data.size() + entry.partition_key.size() + client::kAggregateEntryBytes;
}

// The aggregate that one lane's record becomes, as entries are added in their order.
class LaneAggregate {
 public:
  bool empty() const { return first_ == nullptr; }
  // False: the entry is behind it.
  bool add(const client::PutEntry& entry) {
    const std::size_t size = bytes_in_aggregate(entry);
    if (empty()) {
      first_ = &entry;
      bytes_ = client::kAggregateBytes + entry.partition_key.size() + size;
      whole_ = bytes_ > kAggregateBytesMax || wire::split_aggregate(entry.data).has_value();
      return true;
    }
    if (whole_ || bytes_ + size > kAggregateBytesMax || !same_hash_key(*first_, entry) ||
        wire::split_aggregate(entry.data))
      return false;
    bytes_ += size;
    return true;
  }
  bool goes_as_it_is() const { return whole_; }

 private:
  const client::PutEntry* first_ = nullptr;
  std::size_t bytes_ = 0;
  bool whole_ = false;
};

}  // namespace

std::vector<std::size_t> next_of_lanes(std::span<const client::PutEntry> entries,
                                       std::span<const std::size_t> pending, LanePacking packing,
                                       std::size_t most) {
  struct Lane {
    LaneAggregate aggregate;
    bool full = false;
  };
  std::vector<std::size_t> taken;
  taken.reserve(std::min(most, pending.size()));
  std::vector<Lane> lanes(packing == LanePacking::kPrefix ? 0 : stream::kLanes);
  for (const auto number : pending) {
    if (taken.size() == most) break;
    if (packing != LanePacking::kPrefix) {
      const auto& entry = entries[number];
      Lane& lane = lanes[lane_of(entry)];
      if (lane.full) continue;
      // What is behind one that isn't taken waits with it.
      lane.full = !lane.aggregate.add(entry);
      if (lane.full) continue;
      lane.full = packing == LanePacking::kSingle;
    }
    taken.push_back(number);
  }
  return taken;
}

PackedEntries pack_lanes(std::vector<client::PutEntry> entries) {
  struct Group {
    LaneAggregate aggregate;
    std::vector<std::size_t> entries;
  };
  std::vector<Group> groups;
  groups.reserve(std::min(entries.size(), stream::kLanes));
  std::array<std::optional<std::size_t>, stream::kLanes> group_of_lane;
  PackedEntries packed;
  packed.record_of.resize(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    auto& group = group_of_lane[lane_of(entries[i])];
    if (!group || !groups[*group].aggregate.add(entries[i])) {
      group = groups.size();
      groups.emplace_back().aggregate.add(entries[i]);
    }
    groups[*group].entries.push_back(i);
    packed.record_of[i] = *group;
  }
  packed.records.reserve(groups.size());
  std::vector<client::PutEntry> together;
  for (const auto& group : groups) {
    together.clear();
    together.reserve(group.entries.size());
    for (const auto i : group.entries) together.push_back(std::move(entries[i]));
    const bool plain = together.size() == 1 && !together.front().origin;
    if (plain || group.aggregate.goes_as_it_is()) {
      together.front().origin.reset();
      packed.records.push_back(std::move(together.front()));
    } else {
      packed.records.push_back(client::aggregate(together));
    }
  }
  return packed;
}

Result<client::PutRecordsResult> outcomes_of_entries(const PackedEntries& packed,
                                                     const client::PutRecordsResult& of_records) {
  std::vector<std::size_t> entries_of(of_records.outcomes.size());
  for (const auto record : packed.record_of) ++entries_of[record];
  for (std::size_t record = 0; record < entries_of.size(); ++record) {
    const auto& outcome = of_records.outcomes[record];
    if (entries_of[record] > 1 && refused_for_good(outcome))
      return Error{ErrorCode::kInvalid, outcome.error_code + ": " + outcome.error_message};
  }
  client::PutRecordsResult result;
  result.outcomes.reserve(packed.record_of.size());
  for (const auto record : packed.record_of) {
    result.outcomes.push_back(of_records.outcomes[record]);
    result.failed += result.outcomes.back().ok() ? 0 : 1;
  }
  return result;
}

}  // namespace spillway::broker
