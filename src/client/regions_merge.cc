#include "client/regions_merge.h"

#include <algorithm>

#include "base/assert.h"

namespace spillway::client {
namespace {

// Of sequence numbers, which are decimal and have no leading zeros; none comes before all.
bool later(std::string_view a, std::string_view b) {
  return a.size() != b.size() ? a.size() > b.size() : a > b;
}

}  // namespace

RegionsMerge::RegionsMerge(std::size_t regions, RegionsMergeOptions options)
    : options_(options), regions_(regions), seen_(options.seen) {}

Status RegionsMerge::resume(std::string_view seen) { return seen_.apply(seen); }

void RegionsMerge::resume(std::size_t region, const RegionPlaces& places) {
  for (const auto& [id, place] : places) shard(region, id).place = place;
}

RegionsMerge::Shard& RegionsMerge::shard(std::size_t region, const std::string& shard_id) {
  const auto [at, made] = regions_.at(region).shards.try_emplace(shard_id);
  if (made) at->second.id = shard_id;
  return at->second;
}

void RegionsMerge::add(std::size_t region, const std::string& shard_id) {
  shard(region, shard_id).reading = true;
  regions_[region].listed = true;
}

void RegionsMerge::remove(std::size_t region, const std::string& shard_id) {
  shard(region, shard_id).reading = false;
}

void RegionsMerge::at_tip(std::size_t region, const std::string& shard_id, MonoTime began) {
  auto& tip = shard(region, shard_id).tip;
  tip = std::max(tip, began);
}

void RegionsMerge::keep(std::size_t region, const std::set<std::string>& shard_ids) {
  std::erase_if(regions_.at(region).shards, [&](const auto& each) {
    const Shard& shard = each.second;
    // One whose records are being handled is pointed at.
    return !shard_ids.contains(each.first) && !shard.reading && shard.entries.empty();
  });
}

void RegionsMerge::set_away(std::size_t region, bool away) { regions_.at(region).away = away; }

void RegionsMerge::give(std::size_t region, const std::string& shard_id,
                        std::vector<Record> records, MonoTime now) {
  Shard& from = shard(region, shard_id);
  for (std::size_t i = 0; i < records.size(); ++i) {
    const bool more =
        i + 1 < records.size() && records[i + 1].sequence_number == records[i].sequence_number;
    give_one(region, from, std::move(records[i]), now);
    if (more) from.entries.back().sequence_number.clear();
  }
  advance(from);
}

void RegionsMerge::give_one(std::size_t region, Shard& from, Record record, MonoTime now) {
  if (!record.origin) return give_plain(region, from, std::move(record), now);
  switch (seen_.offer(*record.origin, record.arrival)) {
    case stream::Sighting::kNew:
      return give_new(region, from, std::move(record), now);
    case stream::Sighting::kBeingHandled:
      return give_copy(from, record);
    case stream::Sighting::kHandled:
      ++counts_.copies;
      from.entries.push_back({std::move(record.sequence_number), nullptr});
  }
}

RegionsMerge::HeldPtr RegionsMerge::hold(std::size_t region, Shard& shard, Record record,
                                         MonoTime now) {
  auto held = std::make_shared<Held>();
  held->region = region;
  held->shard = &shard;
  held->ticket = next_ticket_++;
  held->came = now;
  held->bytes = record.data.size() + record.partition_key.size();
  held->origin = record.origin;
  held->sequence_number = record.sequence_number;
  held->record = std::move(record);
  shard.entries.push_back({held->sequence_number, held});
  return held;
}

void RegionsMerge::give_plain(std::size_t region, Shard& shard, Record record, MonoTime now) {
  if (!later(record.sequence_number, shard.place.plain)) {
    shard.entries.push_back({std::move(record.sequence_number), nullptr});
    return;
  }
  ++counts_.plain;
  make_ready(hold(region, shard, std::move(record), now));
}

void RegionsMerge::give_new(std::size_t region, Shard& shard, Record record, MonoTime now) {
  const auto held = hold(region, shard, std::move(record), now);
  const auto& origin = *held->origin;
  Lane& lane = lanes_[{origin.producer, origin.lane}];
  lane.held.emplace(origin.sequence, held);
  lane.waiting.emplace(origin.sequence, held);
  waiting_.emplace(held->ticket, held);
  waiting_bytes_ += held->bytes;
  ++shard.waiting;
  if (options_.mode == RegionsMode::kAvailable || follows(lane, *held))
    release(lane, origin.sequence);
}

void RegionsMerge::give_copy(Shard& shard, const Record& record) {
  ++counts_.copies;
  const auto& origin = *record.origin;
  Lane& lane = lanes_.at({origin.producer, origin.lane});
  const auto& held = lane.held.at(origin.sequence);
  shard.entries.push_back({record.sequence_number, held});
  // A copy that was sent later may know of more that was given up.
  if (origin.previous >= held->origin->previous) return;
  held->origin->previous = origin.previous;
  if (held->state == State::kWaiting && follows(lane, *held)) release(lane, origin.sequence);
}

std::uint64_t RegionsMerge::newest(const Lane& lane, const stream::Origin& origin) const {
  return std::max(lane.newest, seen_.newest(origin));
}

bool RegionsMerge::follows(const Lane& lane, const Held& held) const {
  const auto& origin = *held.origin;
  // What is late can't be in order any more.
  if (origin.sequence < newest(lane, origin) || seen_.is_next(origin)) return true;
  const auto previous = lane.held.find(origin.previous);
  return previous != lane.held.end() && previous->second->state != State::kWaiting;
}

void RegionsMerge::release(Lane& lane, std::uint64_t sequence) {
  while (!lane.waiting.empty()) {
    const auto first = lane.waiting.begin();
    if (first->first > sequence && !follows(lane, *first->second)) return;
    const HeldPtr held = first->second;
    lane.waiting.erase(first);
    waiting_.erase(held->ticket);
    waiting_bytes_ -= held->bytes;
    --held->shard->waiting;
    held->late = held->origin->sequence < newest(lane, *held->origin);
    counts_.late += held->late ? 1 : 0;
    lane.newest = std::max(lane.newest, held->origin->sequence);
    make_ready(held);
  }
}

void RegionsMerge::make_ready(const HeldPtr& held) {
  held->state = State::kReady;
  ++held->shard->ready;
  ready_bytes_ += held->bytes;
  ready_.push_back(held);
}

bool RegionsMerge::full() const {
  return waiting_.size() >= options_.waiting_max || waiting_bytes_ >= options_.waiting_bytes_max;
}

bool RegionsMerge::any_away() const {
  return std::ranges::any_of(regions_, [](const Region& region) { return region.away; });
}

MonoTime RegionsMerge::tips() const {
  MonoTime tips = MonoTime::max();
  for (const auto& region : regions_) {
    if (region.away) continue;
    if (!region.listed) return MonoTime::min();
    for (const auto& [id, shard] : region.shards)
      if (shard.reading && !paused(shard)) tips = std::min(tips, shard.tip);
  }
  return tips;
}

void RegionsMerge::look(MonoTime now) {
  const MonoTime tips = this->tips();
  const bool away = any_away();
  for (auto at = waiting_.begin(); at != waiting_.end() && at->second->came < tips;) {
    const Held& held = *at->second;
    const bool waited = now - held.came >= options_.gap_wait;
    if (away && !waited) return;  // nor did what came later
    Lane& lane = lanes_.at({held.origin->producer, held.origin->lane});
    const bool begins = newest(lane, *held.origin) == 0;
    const bool in_vain = waited || begins || full();
    if (!in_vain) {
      ++at;
      continue;
    }
    if (!begins || away) ++counts_.gaps_given_up;
    const auto ticket = at->first;
    release(lane, held.origin->sequence);
    at = waiting_.upper_bound(ticket);
  }
}

void RegionsMerge::release_all() {
  while (!waiting_.empty()) {
    const auto& held = *waiting_.begin()->second;
    Lane& lane = lanes_.at({held.origin->producer, held.origin->lane});
    if (newest(lane, *held.origin) != 0) ++counts_.gaps_given_up;
    release(lane, lane.waiting.begin()->first);
  }
}

std::vector<RegionRecord> RegionsMerge::take(std::size_t records_max, std::size_t bytes_max) {
  std::vector<RegionRecord> batch;
  if (!taken_.empty()) return batch;
  std::size_t bytes = 0;
  while (!ready_.empty() && batch.size() < records_max) {
    const HeldPtr& next = ready_.front();
    bytes += next->bytes;
    if (!batch.empty() && bytes > bytes_max) break;
    next->state = State::kTaken;
    --next->shard->ready;
    ready_bytes_ -= next->bytes;
    batch.push_back(
        {next->region, next->shard->id, *std::exchange(next->record, std::nullopt), next->late});
    taken_.push_back(next);
    ready_.pop_front();
  }
  return batch;
}

void RegionsMerge::handled() {
  for (const auto& held : taken_) {
    held->state = State::kHandled;
    if (!held->origin) {
      held->shard->place.plain = held->sequence_number;
      continue;
    }
    seen_.handled(*held->origin);
    const auto lane = lanes_.find({held->origin->producer, held->origin->lane});
    SPILLWAY_ASSERT(lane != lanes_.end());
    lane->second.held.erase(held->origin->sequence);
    if (lane->second.held.empty()) lanes_.erase(lane);
  }
  taken_.clear();
  for (auto& region : regions_)
    for (auto& [id, shard] : region.shards) advance(shard);
}

void RegionsMerge::advance(Shard& shard) {
  auto& entries = shard.entries;
  while (!entries.empty() && entries.front().settled()) {
    auto& number = entries.front().sequence_number;
    if (!number.empty()) shard.place.all = std::move(number);
    entries.pop_front();
  }
  constexpr std::size_t kCollapseAt = 1024;
  if (entries.size() > 2 * shard.collapsed + kCollapseAt) collapse(shard);
}

// Of those in a row that are settled, the last one is enough.
void RegionsMerge::collapse(Shard& shard) {
  std::deque<Entry> left;
  for (auto& entry : shard.entries) {
    if (entry.settled() && !left.empty() && left.back().settled()) {
      if (entry.sequence_number.empty())
        entry.sequence_number = std::move(left.back().sequence_number);
      left.pop_back();
    }
    left.push_back(std::move(entry));
  }
  shard.entries = std::move(left);
  shard.collapsed = shard.entries.size();
}

bool RegionsMerge::holds(std::size_t region, const std::string& shard_id) const {
  const auto& shards = regions_.at(region).shards;
  const auto found = shards.find(shard_id);
  if (found == shards.end()) return false;
  return found->second.ready > 0 || ready_bytes_ >= options_.ready_bytes_max ||
         paused(found->second);
}

RegionPlaces RegionsMerge::places(std::size_t region) const {
  RegionPlaces places;
  for (const auto& [id, shard] : regions_.at(region).shards)
    if (shard.place != ShardPlace()) places.emplace(id, shard.place);
  return places;
}

}  // namespace spillway::client
