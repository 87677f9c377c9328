#include "stream/seen_set.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/varint.h"

namespace spillway::stream {

namespace {

constexpr std::string_view kMagic = "SPWYSEEN";
constexpr std::uint32_t kVersion = 1;
constexpr std::uint8_t kForgotten = 0;
constexpr std::uint8_t kKnown = 1;
constexpr std::uint64_t kSequenceMax = 9'999'999'999'999'999'999u;  // of 19 digits

Error corrupt(std::string_view what) {
  return {ErrorCode::kCorrupt, fmt::format("a set of origins: {}", what)};
}

std::string_view view(const ProducerId& producer) {
  return {reinterpret_cast<const char*>(producer.data()), producer.size()};
}

void append_intervals(std::string& to, const SequenceIntervals& sequences) {
  const auto intervals = sequences.all();
  append_varint(to, intervals.size());
  std::uint64_t before = 0;
  for (const auto& interval : intervals) {
    append_varint(to, interval.first - before);
    append_varint(to, interval.first - 1 - interval.previous);
    append_varint(to, interval.last - interval.first);
    before = interval.last;
  }
}

// Nullopt where they aren't what append_intervals() writes.
std::optional<SequenceIntervals> read_intervals(ByteReader& reader) {
  SequenceIntervals sequences;
  const std::uint64_t count = read_varint(reader);
  std::uint64_t before = 0;
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
    const std::uint64_t distance = read_varint(reader);
    const std::uint64_t given_up = read_varint(reader);
    const std::uint64_t more = read_varint(reader);
    // Intervals that touch would be one.
    if (distance < (i == 0 ? 1U : 2U) || distance > kSequenceMax - before) return std::nullopt;
    const std::uint64_t first = before + distance;
    if (given_up >= first || more > kSequenceMax - first) return std::nullopt;
    before = first + more;
    sequences.append({first, before, first - 1 - given_up});
  }
  if (count == 0 || !reader.ok()) return std::nullopt;
  return sequences;
}

}  // namespace

std::size_t SeenSet::Hash::operator()(const ProducerId& producer) const {
  return load_le<std::uint64_t>(view(producer).data());  // it is random
}

std::size_t SeenSet::Hash::operator()(const Origin& origin) const {
  constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;
  return (*this)(origin.producer) ^ (origin.sequence << 8 | origin.lane) * kGolden;
}

bool SeenSet::SameRecord::operator()(const Origin& a, const Origin& b) const {
  return a.producer == b.producer && a.lane == b.lane && a.sequence == b.sequence;
}

const SeenSet::Lane* SeenSet::find_lane(const Producer& producer, std::uint8_t number) {
  const auto at = std::ranges::lower_bound(producer.lanes, number, {}, &Lane::number);
  return at != producer.lanes.end() && at->number == number ? &*at : nullptr;
}

SeenSet::Lane& SeenSet::lane(Producer& producer, std::uint8_t number) {
  auto at = std::ranges::lower_bound(producer.lanes, number, {}, &Lane::number);
  if (at == producer.lanes.end() || at->number != number) {
    at = producer.lanes.insert(at, Lane());
    at->number = number;
  }
  return *at;
}

bool SeenSet::was_handled(const Origin& origin, std::uint64_t sequence) const {
  const auto producer = producers_.find(origin.producer);
  if (producer == producers_.end()) return false;
  const Lane* lane = find_lane(producer->second, origin.lane);
  return lane != nullptr && lane->handled.contains(sequence);
}

Sighting SeenSet::offer(const Origin& origin, WallTime arrival) {
  auto producer = producers_.find(origin.producer);
  if (producer == producers_.end()) {
    make_room();
    producer = producers_.try_emplace(origin.producer).first;
  }
  if (arrival > producer->second.newest) {
    producer->second.newest = arrival;
    producer->second.changed = true;
  }
  if (was_handled(origin, origin.sequence)) return Sighting::kHandled;
  return handling_.insert(origin).second ? Sighting::kNew : Sighting::kBeingHandled;
}

void SeenSet::handled(const Origin& origin) {
  handling_.erase(origin);
  auto& producer = producers_[origin.producer];
  Lane& changed = lane(producer, origin.lane);
  producer.changed = changed.changed = true;
  const std::size_t gaps = changed.handled.gaps();
  changed.handled.add(origin.sequence, origin.previous);
  bound(changed, gaps);
}

void SeenSet::abandoned(const Origin& origin) { handling_.erase(origin); }

bool SeenSet::is_next(const Origin& origin) const {
  return origin.previous == 0 || was_handled(origin, origin.previous);
}

std::uint64_t SeenSet::newest(const Origin& origin) const {
  const auto producer = producers_.find(origin.producer);
  if (producer == producers_.end()) return 0;
  const Lane* lane = find_lane(producer->second, origin.lane);
  return lane == nullptr || lane->handled.all().empty() ? 0 : lane->handled.all().back().last;
}

void SeenSet::bound(Lane& lane, std::size_t before) {
  gaps_ = gaps_ - before + lane.handled.gaps();
  while (lane.handled.gaps() > options_.lane_gaps_max ||
         (gaps_ > options_.gaps_max && lane.handled.gaps() > 0)) {
    const auto closing = lane.handled.close_gap();
    --gaps_;
    counts_.gaps_filled += closing.filled ? 1 : 0;
    counts_.records_forgotten += closing.forgotten;
  }
}

std::unordered_set<ProducerId, SeenSet::Hash> SeenSet::busy() const {
  std::unordered_set<ProducerId, Hash> busy;
  for (const auto& origin : handling_) busy.insert(origin.producer);
  return busy;
}

void SeenSet::make_room() {
  if (producers_.size() < options_.producers_max) return;
  const auto passed_over = busy();
  while (producers_.size() >= options_.producers_max) {
    auto idlest = producers_.end();
    for (auto at = producers_.begin(); at != producers_.end(); ++at) {
      if (passed_over.contains(at->first)) continue;
      if (idlest == producers_.end() || at->second.newest < idlest->second.newest) idlest = at;
    }
    if (idlest == producers_.end()) return;
    forget(idlest);
    ++counts_.producers_pushed_out;
  }
}

void SeenSet::forget(Producers::iterator producer) {
  snapshot_due_ = snapshot_due_ || forgotten_.size() >= options_.producers_max;
  if (snapshot_due_)
    forgotten_.clear();
  else
    forgotten_.push_back(producer->first);
  erase(producer);
}

void SeenSet::erase(Producers::iterator producer) {
  for (const auto& lane : producer->second.lanes) gaps_ -= lane.handled.gaps();
  producers_.erase(producer);
}

void SeenSet::forget_idle(WallTime time) {
  const auto passed_over = busy();
  for (auto at = producers_.begin(); at != producers_.end();) {
    const auto producer = at++;
    if (producer->second.newest >= time || passed_over.contains(producer->first)) continue;
    forget(producer);
    ++counts_.producers_forgotten;
  }
}

std::string SeenSet::snapshot() { return encode(true); }

std::string SeenSet::changes() { return encode(snapshot_due_); }

std::string SeenSet::encode(bool whole) {
  std::string bytes(kMagic);
  append_le(bytes, std::uint32_t{0});
  append_le(bytes, kVersion);
  append_le(bytes, static_cast<std::uint8_t>(whole ? 1 : 0));
  for (const auto& id : forgotten_) {
    if (whole) break;
    bytes.append(view(id));
    append_le(bytes, kForgotten);
    // One that is known again is told whole: nothing of what was told of it before counts any more.
    const auto again = producers_.find(id);
    if (again == producers_.end()) continue;
    again->second.changed = true;
    for (auto& lane : again->second.lanes) lane.changed = true;
  }
  forgotten_.clear();
  snapshot_due_ = false;
  for (auto& [id, producer] : producers_) {
    if (!std::exchange(producer.changed, false) && !whole) continue;
    bytes.append(view(id));
    append_le(bytes, kKnown);
    append_le(bytes, to_millis(producer.newest));
    const auto told = [whole](const Lane& lane) { return whole || lane.changed; };
    append_varint(bytes, static_cast<std::uint64_t>(std::ranges::count_if(producer.lanes, told)));
    for (auto& lane : producer.lanes) {
      if (!told(lane)) continue;
      append_le(bytes, lane.number);
      append_intervals(bytes, lane.handled);
      lane.changed = false;
    }
  }
  store_le(bytes.data() + kMagic.size(),
           crc32c(std::string_view(bytes).substr(kMagic.size() + sizeof(std::uint32_t))));
  return bytes;
}

Result<SeenSet::Producer> SeenSet::read_producer(ByteReader& reader) {
  Producer producer;
  producer.newest = from_millis(reader.integer<std::int64_t>());
  int last = -1;
  for (std::uint64_t left = read_varint(reader); left > 0; --left) {
    Lane lane;
    lane.number = reader.integer<std::uint8_t>();
    auto handled = read_intervals(reader);
    if (!handled || lane.number <= last) return corrupt("a lane is damaged");
    lane.handled = *std::move(handled);
    last = lane.number;
    producer.lanes.push_back(std::move(lane));
  }
  if (!reader.ok()) return corrupt("it ends too early");
  return producer;
}

Result<SeenSet::Told> SeenSet::decode(std::string_view bytes) {
  ByteReader reader(bytes);
  if (reader.take(kMagic.size()) != kMagic) return corrupt("it doesn't begin as one");
  const auto crc = reader.integer<std::uint32_t>();
  if (!reader.ok() || crc != crc32c(reader.rest())) return corrupt("its checksum is wrong");
  if (const auto version = reader.integer<std::uint32_t>(); version > kVersion)
    return Error{
        ErrorCode::kUnsupported,
        fmt::format("a set of origins of version {}; this build knows {}", version, kVersion)};
  Told told;
  const auto whole = reader.integer<std::uint8_t>();
  if (!reader.ok() || whole > 1) return corrupt("its beginning is damaged");
  told.whole = whole == 1;
  while (!reader.at_end()) {
    auto& [id, known] = told.producers.emplace_back();
    std::ranges::copy(reader.take(id.size()), id.begin());
    const auto kind = reader.integer<std::uint8_t>();
    if (!reader.ok() || kind > kKnown) return corrupt("a producer is damaged");
    if (kind == kForgotten) continue;
    SPILLWAY_ASSIGN(known, read_producer(reader));
  }
  return told;
}

Status SeenSet::apply(std::string_view bytes) {
  SPILLWAY_ASSIGN(auto told, decode(bytes));
  if (told.whole) {
    producers_.clear();
    gaps_ = 0;
    forgotten_.clear();
    snapshot_due_ = false;
  }
  for (auto& [id, known] : told.producers) {
    if (!known) {
      const auto producer = producers_.find(id);
      if (producer != producers_.end()) erase(producer);  // whoever told it knows
      continue;
    }
    if (!producers_.contains(id)) make_room();
    auto& producer = producers_[id];
    producer.newest = known->newest;
    for (auto& lane_told : known->lanes) {
      Lane& changed = lane(producer, lane_told.number);
      const std::size_t gaps = changed.handled.gaps();
      changed.handled = std::move(lane_told.handled);
      bound(changed, gaps);
    }
  }
  return {};
}

}  // namespace spillway::stream
