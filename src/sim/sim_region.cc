#include "sim/sim_region.h"

#include <fmt/format.h>

#include <algorithm>
#include <bitset>
#include <charconv>
#include <utility>

#include "base/assert.h"
#include "client/record_aggregate.h"
#include "stream/hash_key.h"

namespace spillway::sim {

namespace {

constexpr std::size_t kReadMax = 200;
constexpr std::string_view kCanaries = "spillway-canary";

// Places in shards and in sequence numbers.
std::size_t number_of(std::string_view text) {
  std::size_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  SPILLWAY_ASSERT(read.ptr == text.data() + text.size());
  return number;
}

Uint128 hash_key_of(const client::PutEntry& entry) {
  if (!entry.explicit_hash_key) return stream::hash_key_of(entry.partition_key);
  const auto key = parse_uint128(*entry.explicit_hash_key);
  SPILLWAY_ASSERT(key.has_value());
  return *key;
}

Error no_stream() { return {ErrorCode::kNotFound, "ResourceNotFoundException"}; }
Error no_place() { return {ErrorCode::kInvalid, "InvalidArgumentException"}; }

std::vector<client::Record> parts_of(RegionKind kind, client::Record record) {
  if (kind == RegionKind::kAmazon) return client::take_apart(std::move(record));
  return {std::move(record)};
}

}  // namespace

SimRegion::SimRegion(Stage& stage, RegionKind kind, Random random, Watcher watcher)
    : stage_(stage),
      kind_(kind),
      random_(random),
      watcher_(std::move(watcher)),
      refuses_whole_(random_.one_in(2)) {}

// --- Its life

void SimRegion::ask(UniqueFunction<void(SimRegion&)> serve, UniqueFunction<void(bool)> over) {
  const auto request = next_request_++;
  being_served_[request] = {std::move(serve), std::move(over)};
  stage_.loop.after(nanoseconds(random_.between(50'000, conduct_.service_max.count())),
                    [this, request] { this->serve(request); });
}

void SimRegion::serve(std::uint64_t request) {
  if (hung_) return waiting_.push_back(request);
  auto found = being_served_.extract(request);
  if (!found) return;  // it crashed meanwhile
  found.mapped().serve(*this);
  found.mapped().over(true);
}

void SimRegion::serve_hung() {
  for (const auto request : std::exchange(waiting_, {})) serve(request);
}

void SimRegion::go_on() {
  if (std::exchange(hung_, false)) serve_hung();
}

void SimRegion::crash() {
  down_ = true;
  hung_ = false;
  waiting_.clear();
  dying_ = true;
  auto cut_short = std::exchange(being_served_, {});
  for (auto& [number, request] : cut_short) {
    if (random_.one_in(2)) request.serve(*this);
    request.over(false);
  }
  dying_ = false;
}

Status SimRegion::refused() {
  if (chance(conduct_.throttles)) return Error{ErrorCode::kThrottled, "LimitExceededException"};
  if (chance(conduct_.fails)) return Error{ErrorCode::kIo, "InternalFailure"};
  return {};
}

// --- Streams and shards

SimRegion::Shards* SimRegion::find(const std::string& stream) {
  const auto found = streams_.find(stream);
  return found != streams_.end() && found->second.there ? &found->second.shards : nullptr;
}

const SimRegion::Shards* SimRegion::find(const std::string& stream) const {
  const auto found = streams_.find(stream);
  return found != streams_.end() && found->second.there ? &found->second.shards : nullptr;
}

Status SimRegion::create(const std::string& stream) {
  SPILLWAY_TRY(refused());
  auto& [shards, there] = streams_[stream];
  there = true;
  if (!shards.empty()) return {};
  if (stream == kCanaries || random_.one_in(2)) {
    child(shards, 0, kUint128Max, "");
    return {};
  }
  const auto half = kUint128Max / 2;
  child(shards, 0, half, "");
  child(shards, half + 1, kUint128Max, "");
  return {};
}

SimRegion::Shard& SimRegion::child(Shards& shards, Uint128 first, Uint128 last,
                                   const std::string& parent) {
  Shard shard;
  shard.info.id = std::to_string(shards.size());
  shard.info.parent = parent;
  shard.info.first_hash_key = to_string(first);
  shard.info.last_hash_key = to_string(last);
  shard.info.first_sequence_number = "1";
  shard.first = first;
  shard.last = last;
  shards.push_back(std::move(shard));
  return shards.back();
}

void SimRegion::close(Shard& shard) {
  shard.info.last_sequence_number = std::to_string(shard.records.size() + 1);
}

bool SimRegion::reshard() {
  for (auto& [name, stream] : streams_) {
    auto& [shards, there] = stream;
    if (down_ || !there || name == kCanaries) continue;
    std::vector<std::size_t> open;
    for (std::size_t i = 0; i < shards.size(); ++i)
      if (shards[i].info.open()) open.push_back(i);
    std::ranges::sort(open, {}, [&](std::size_t i) { return shards[i].first; });
    const std::size_t picked = random_.below(open.size());
    Shard& shard = shards[open[picked]];
    const auto [first, last, id] = std::tuple(shard.first, shard.last, shard.info.id);
    close(shard);
    if (picked + 1 < open.size() && (open.size() > 3 || random_.one_in(2))) {
      Shard& behind = shards[open[picked + 1]];
      const auto [end, adjacent] = std::pair(behind.last, behind.info.id);
      close(behind);
      child(shards, first, end, id).info.adjacent_parent = adjacent;
    } else {
      const Uint128 middle = first + (last - first) / 2;
      child(shards, first, middle, id);
      child(shards, middle + 1, last, id);
    }
    return true;
  }
  return false;
}

// --- Its disk

SimRegion::Backup SimRegion::backup() const {
  Backup backup;
  for (const auto& [name, stream] : streams_) {
    if (!stream.there) continue;
    auto& records = backup[name];
    records.reserve(stream.shards.size());
    for (const auto& shard : stream.shards) records.push_back(shard.records.size());
  }
  return backup;
}

void SimRegion::restore(const Backup& backup) {
  SPILLWAY_ASSERT(down_ && kind_ == RegionKind::kSpillway);
  for (auto& [name, stream] : streams_) {
    const auto found = backup.find(name);
    stream.there = found != backup.end();
    SPILLWAY_ASSERT(!stream.there || found->second.size() == stream.shards.size());
    for (std::size_t i = 0; i < stream.shards.size(); ++i)
      set_back(name, stream.shards[i], stream.there ? found->second[i] : 0);
  }
}

void SimRegion::set_back(const std::string& stream, Shard& shard, std::size_t records) {
  SPILLWAY_ASSERT(records <= shard.records.size() && shard.passed_to == 0);
  for (std::size_t at = records; at < shard.records.size(); ++at)
    tell(watcher_.lost, stream, shard, at);
  shard.records.resize(records);
  shard.passed_from = records;
  shard.passed_to = shard.read_to;
}

void SimRegion::tell(const Told& told, const std::string& stream, const Shard& shard,
                     std::size_t at) const {
  if (!told) return;
  for (auto& part : parts_of(kind_, shard.records[at])) {
    told(stream, {std::move(part.partition_key), std::move(part.data), std::nullopt, part.origin},
         shard.passed(at));
  }
}

SimRegion::Shard& SimRegion::shard_of(Shards& shards, Uint128 hash_key) {
  const auto found = std::ranges::find_if(shards, [hash_key](const Shard& shard) {
    return shard.info.open() && shard.first <= hash_key && hash_key <= shard.last;
  });
  SPILLWAY_ASSERT(found != shards.end());
  return *found;
}

// --- Writing

client::PutOutcome SimRegion::store(const std::string& stream, Shards& shards,
                                    const client::PutEntry& entry) {
  Shard& shard = shard_of(shards, hash_key_of(entry));
  client::Record record{std::to_string(shard.records.size() + 1), entry.partition_key, entry.data,
                        stage_.clock.wall_now(), entry.origin};
  client::PutOutcome outcome;
  outcome.shard_id = shard.info.id;
  outcome.sequence_number = record.sequence_number;
  shard.records.push_back(std::move(record));
  tell(watcher_.stored, stream, shard, shard.records.size() - 1);
  return outcome;
}

bool SimRegion::poisonous(const client::PutEntry& entry) const {
  return std::ranges::any_of(
      parts_of(kind_, {"", entry.partition_key, entry.data, {}}),
      [](const client::Record& part) { return part.data.starts_with(kPoison); });
}

void SimRegion::check_lanes(const std::vector<client::PutEntry>& entries) const {
  if (kind_ != RegionKind::kAmazon) return;
  std::bitset<stream::kLanes> lanes;
  for (const auto& entry : entries) {
    const auto lane = stream::lane_of(hash_key_of(entry));
    SPILLWAY_ASSERT(!lanes[lane] && !entry.origin);
    lanes.set(lane);
  }
}

Result<client::PutRecordsResult> SimRegion::put(const std::string& stream,
                                                const std::vector<client::PutEntry>& entries) {
  auto* const shards = find(stream);
  if (shards == nullptr) return no_stream();
  SPILLWAY_TRY(refused());
  check_lanes(entries);
  const auto is_poison = [this](const auto& entry) { return poisonous(entry); };
  if (entries.empty() || (refuses_whole_ && std::ranges::any_of(entries, is_poison)))
    return Error{ErrorCode::kInvalid, "ValidationException"};
  client::PutRecordsResult result;
  result.outcomes.reserve(entries.size());
  std::bitset<stream::kLanes> failed;
  const std::size_t count = dying_ ? random_.below(entries.size() + 1) : entries.size();
  for (std::size_t i = 0; i < count; ++i) {
    const auto& entry = entries[i];
    const auto lane = stream::lane_of(hash_key_of(entry));
    client::PutOutcome outcome;
    if (poisonous(entry)) {
      outcome.error_code = "ValidationException";
    } else if (chance(conduct_.entry_fails)) {
      outcome.error_code =
          random_.one_in(2) ? "InternalFailure" : "ProvisionedThroughputExceededException";
    } else if (failed[lane]) {
      outcome.error_code = "InternalFailure";
    } else {
      outcome = store(stream, *shards, entry);
    }
    if (!outcome.ok() && kind_ == RegionKind::kSpillway) failed.set(lane);
    result.failed += outcome.ok() ? 0 : 1;
    result.outcomes.push_back(std::move(outcome));
  }
  return result;
}

// --- Reading

Result<bool> SimRegion::holds(const std::string& stream, const client::PutOutcome& place) {
  if (chance(conduct_.unreadable)) return Error{ErrorCode::kIo, "GetRecords: InternalFailure"};
  return reaches(stream, place);
}

Result<bool> SimRegion::reaches(const std::string& stream, const client::PutOutcome& place) const {
  const auto* const shards = find(stream);
  if (shards == nullptr) return no_stream();
  const auto& shard = shards->at(number_of(place.shard_id));
  return number_of(place.sequence_number) <= shard.records.size();
}

Result<std::vector<client::Shard>> SimRegion::list_shards(const std::string& stream) {
  const auto* const shards = find(stream);
  if (shards == nullptr) return no_stream();
  SPILLWAY_TRY(refused());
  std::vector<client::Shard> listed;
  listed.reserve(shards->size());
  for (const auto& shard : *shards) listed.push_back(shard.info);
  return listed;
}

// An iterator is STREAM/SHARD/PLACE.
Result<std::string> SimRegion::get_shard_iterator(const std::string& stream,
                                                  const std::string& shard_id,
                                                  const client::IteratorStart& start) {
  SPILLWAY_TRY(refused());
  const auto* const shards = find(stream);
  if (shards == nullptr) return no_stream();
  std::size_t place = 0;
  if (start.type == client::IteratorType::kAfterSequenceNumber) {
    place = number_of(start.sequence_number);
  } else {
    SPILLWAY_ASSERT(start.type == client::IteratorType::kTrimHorizon);
  }
  if (place > shards->at(number_of(shard_id)).records.size()) return no_place();
  return fmt::format("{}/{}/{}", stream, shard_id, place);
}

Result<client::GetRecordsResult> SimRegion::get_records(const std::string& iterator) {
  SPILLWAY_TRY(refused());
  if (chance(conduct_.unreadable)) return Error{ErrorCode::kIo, "GetRecords: InternalFailure"};
  if (chance(conduct_.expires)) return Error{ErrorCode::kExpired, "ExpiredIteratorException"};
  const auto behind_stream = iterator.find('/');
  const auto behind_shard = iterator.find('/', behind_stream + 1);
  const std::string stream = iterator.substr(0, behind_stream);
  const std::string id = iterator.substr(behind_stream + 1, behind_shard - behind_stream - 1);
  auto* const shards = find(stream);
  if (shards == nullptr) return no_stream();
  auto& shard = shards->at(number_of(id));
  const auto& records = shard.records;
  const std::size_t from = number_of(std::string_view(iterator).substr(behind_shard + 1));
  if (from > records.size()) return no_place();
  const std::size_t end = std::min(records.size(), from + 1 + random_.below(kReadMax));
  shard.read_to = std::max(shard.read_to, end);
  client::GetRecordsResult result;
  result.records.assign(records.begin() + static_cast<std::ptrdiff_t>(from),
                        records.begin() + static_cast<std::ptrdiff_t>(end));
  if (end < records.size()) result.behind = milliseconds(1);
  if (end < records.size() || shard.info.open())
    result.next_iterator = fmt::format("{}/{}/{}", stream, id, end);
  return result;
}

}  // namespace spillway::sim
