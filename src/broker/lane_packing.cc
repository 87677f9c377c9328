#include "broker/lane_packing.h"

#include <algorithm>
#include <array>
#include <functional>
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

bool same_hash_key(const client::PutEntry& a, const client::PutEntry& b) {
  if (a.explicit_hash_key == b.explicit_hash_key &&
      (a.explicit_hash_key || a.partition_key == b.partition_key))
    return true;
  return hash_key_of(a) == hash_key_of(b);
}

std::size_t size_of(const client::PutEntry& entry) {
  return entry.data.size() + entry.partition_key.size();
}

std::size_t bytes_in_aggregate(const client::PutEntry& entry) {
  return size_of(entry) + client::kAggregateEntryBytes;
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

std::uint8_t lane_of(const client::PutEntry& entry) {
  return entry.origin ? entry.origin->lane : stream::lane_of(hash_key_of(entry));
}

Pending next_of_lanes(std::span<const client::PutEntry> entries,
                      std::span<const std::size_t> pending, LanePacking packing,
                      const RequestBounds& bounds) {
  struct Lane {
    LaneAggregate aggregate;
    bool full = false;
  };
  Pending taken;
  taken.reserve(std::min(bounds.records, pending.size()));
  std::size_t bytes = 0;
  std::vector<Lane> lanes(packing == LanePacking::kPrefix ? 0 : stream::kLanes);
  for (const auto number : pending) {
    if (taken.size() == bounds.records) break;
    const auto& entry = entries[number];
    const auto lane = packing == LanePacking::kPrefix ? nullptr : &lanes[lane_of(entry)];
    // What is behind one that isn't taken waits with it.
    if (lane != nullptr && lane->full) continue;
    if (bytes + size_of(entry) > bounds.bytes && !taken.empty()) break;
    if (lane != nullptr) {
      lane->full = !lane->aggregate.add(entry);
      if (lane->full) continue;
      lane->full = packing == LanePacking::kSingle;
    }
    bytes += size_of(entry);
    taken.push_back(number);
  }
  return taken;
}

std::size_t requests_for(std::size_t records, std::size_t bytes, const RequestBounds& bounds) {
  return std::max((records + bounds.records - 1) / bounds.records,
                  (bytes + bounds.bytes - 1) / bounds.bytes);
}

std::vector<Pending> deal_lanes(std::span<const client::PutEntry> entries, const Pending& pending,
                                const RequestBounds& bounds) {
  struct Lane {
    std::size_t number = 0;
    std::uint64_t share = 0;  // of requests
  };
  std::array<Lane, stream::kLanes> lanes;
  for (std::size_t i = 0; i < lanes.size(); ++i) lanes[i].number = i;
  std::size_t bytes = 0;
  for (const auto number : pending) {
    const auto& entry = entries[number];
    bytes += size_of(entry);
    lanes[lane_of(entry)].share += size_of(entry) * bounds.records + bounds.bytes;
  }
  const auto requests = requests_for(pending.size(), bytes, bounds);
  if (requests <= 1) return {pending};
  // The largest first, each to where there is least.
  std::ranges::stable_sort(lanes, std::ranges::greater(), &Lane::share);
  std::vector<std::uint64_t> shares(requests);
  std::array<std::size_t, stream::kLanes> request_of{};
  for (const auto& lane : lanes) {
    const auto least = std::ranges::min_element(shares);
    *least += lane.share;
    request_of[lane.number] = static_cast<std::size_t>(least - shares.begin());
  }
  std::vector<Pending> dealt(requests);
  for (const auto number : pending) dealt[request_of[lane_of(entries[number])]].push_back(number);
  std::erase_if(dealt, [](const Pending& one) { return one.empty(); });
  return dealt;
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
