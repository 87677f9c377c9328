#include "cli/tail_merge.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/assert.h"

namespace spillway::cli {
namespace {

std::size_t size_of(const client::Record& record) {
  return record.data.size() + record.partition_key.size();
}

}  // namespace

void TailMerge::add(const std::string& shard_id) { shards_[shard_id]; }

void TailMerge::give(const std::string& shard_id, std::vector<client::Record> records,
                     MonoTime now) {
  auto& shard = shards_[shard_id];
  for (auto& record : records) {
    ++records_;
    bytes_ += size_of(record);
    // Where a server's clock went back, the shard's own order counts.
    record.arrival = std::max(record.arrival, shard.last_arrival);
    shard.last_arrival = record.arrival;
    shard.records.push_back({std::move(record), now});
  }
}

void TailMerge::at_tip(const std::string& shard_id, MonoTime began) {
  auto& shard = shards_[shard_id];
  shard.tip = std::max(shard.tip, began);
}

void TailMerge::remove(const std::string& shard_id) {
  const auto found = shards_.find(shard_id);
  if (found == shards_.end()) return;
  found->second.ended = true;
  if (found->second.records.empty()) shards_.erase(found);
}

TailMerge::Shards::iterator TailMerge::first() {
  auto best = shards_.end();
  for (auto it = shards_.begin(); it != shards_.end(); ++it) {
    if (it->second.records.empty()) continue;
    // Of equal arrivals the first shard's: they are visited in that order.
    if (best == shards_.end() ||
        it->second.records.front().record.arrival < best->second.records.front().record.arrival)
      best = it;
  }
  return best;
}

bool TailMerge::may_precede(const Shards::value_type& shard, const Shards::value_type& head) {
  const auto& first = head.second.records.front();
  if (shard.second.tip > first.came) return false;
  return std::tie(shard.second.last_arrival, shard.first) <
         std::tie(first.record.arrival, head.first);
}

std::optional<TailMerge::Next> TailMerge::take(MonoTime now) {
  const auto head = first();
  if (head == shards_.end()) return std::nullopt;
  const bool waits =
      bytes_ <= kBytesMax && now - head->second.records.front().came < kWaitMax &&
      std::any_of(shards_.begin(), shards_.end(), [&](const Shards::value_type& shard) {
        return shard.second.records.empty() && may_precede(shard, *head);
      });
  if (waits) return std::nullopt;
  return pop(head);
}

std::optional<TailMerge::Next> TailMerge::take_anyway() {
  const auto head = first();
  if (head == shards_.end()) return std::nullopt;
  return pop(head);
}

TailMerge::Next TailMerge::pop(Shards::iterator shard) {
  Next next{shard->first, std::move(shard->second.records.front().record)};
  shard->second.records.pop_front();
  --records_;
  bytes_ -= size_of(next.record);
  if (shard->second.ended && shard->second.records.empty()) shards_.erase(shard);
  return next;
}

bool TailMerge::waiting(const std::string& shard_id) const {
  const auto found = shards_.find(shard_id);
  return found != shards_.end() && !found->second.records.empty();
}

}  // namespace spillway::cli
