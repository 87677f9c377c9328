#include "sim/broker_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "sim/sim_region.h"
#include "stream/hash_key.h"

namespace spillway::sim {

void BrokerModel::fault(std::string what) {
  if (wrong_.ok()) wrong_ = Error{ErrorCode::kCorrupt, std::move(what)};
}

// --- Producers

BrokerModel::Put BrokerModel::put(std::string key, std::size_t size, bool poison) {
  const Number number = records_.size();
  std::string data = fmt::format("{}{} ", poison ? SimRegion::kPoison : "record", number);
  data.append(size, static_cast<char>('a' + number % 26));
  Record record;
  record.key = key;
  record.data = data;
  record.lane = stream::lane_of(stream::hash_key_of(key));
  record.poison = poison;
  records_.push_back(std::move(record));
  return {number, std::move(key), std::move(data)};
}

void BrokerModel::acknowledged(Number number, Spool spool, stream::Position position,
                               MonoTime now) {
  records_[number].spool = spool;
  records_[number].acknowledged = now;
  records_[number].position = position;
  ++acknowledged_;
}

void BrokerModel::restored(Spool spool, MonoTime backup) {
  for (auto& record : records_) {
    if (record.spool != spool || !record.acknowledged) continue;
    record.unnoticed = record.lost;  // the cursors are of before
    if (*record.acknowledged < backup) continue;
    record.position.reset();
    if (record.regions == 0) record.excused = true;
  }
}

void BrokerModel::dropped(Spool spool, std::uint8_t first_lane, std::uint8_t last_lane,
                          stream::Position first, stream::Position next) {
  for (auto& record : records_) {
    if (record.spool != spool || !record.position || record.lane < first_lane ||
        record.lane > last_lane || *record.position < first || *record.position >= next)
      continue;
    if (record.regions == 0 && !record.dropped) ++dropped_;
    record.dropped = true;
    if (record.regions == 0) record.excused = true;
  }
}

// --- Regions and the reader

BrokerModel::Record* BrokerModel::find(std::string_view where, const std::string& key,
                                       const std::string& data,
                                       const std::optional<stream::Origin>& origin) {
  const auto digits = data.find_first_of("0123456789");
  Number number = records_.size();
  if (digits != std::string::npos)
    std::from_chars(data.data() + digits, data.data() + data.size(), number);
  if (number >= records_.size() || records_[number].data != data || records_[number].key != key) {
    fault(fmt::format("{} has what was never put: {}", where, data));
    return nullptr;
  }
  if (!origin) {
    fault(fmt::format("{} has record {} without an origin", where, number));
    return nullptr;
  }
  Record& record = records_[number];
  const Name name{{origin->producer, origin->lane}, origin->sequence};
  const auto [named, is_new] = named_.try_emplace(name, number);
  if (named->second != number) {
    fault(fmt::format("{}: records {} and {} have one origin", where, named->second, number));
    return nullptr;
  }
  if (!record.origin) record.origin = origin;
  if (record.origin->producer != origin->producer || record.origin->lane != origin->lane ||
      record.origin->sequence != origin->sequence) {
    fault(fmt::format("{}: record {} has two origins", where, number));
    return nullptr;
  }
  return &record;
}

void BrokerModel::stored(std::size_t region, const client::PutEntry& entry, bool passed) {
  Record* const record =
      find(fmt::format("region {}", region), entry.partition_key, entry.data, entry.origin);
  if (record == nullptr) return;
  if (record->regions != 0) ++copies_;
  const auto bit = 1U << region;
  record->regions |= bit;
  record->ever |= bit;
  record->lost &= ~bit;
  record->unnoticed &= ~bit;
  ++record->copies.at(region);
  if (!passed) ++record->unpassed;
}

void BrokerModel::lost(std::size_t region, const client::PutEntry& entry, bool passed) {
  Record* const record =
      find(fmt::format("region {}", region), entry.partition_key, entry.data, entry.origin);
  if (record == nullptr) return;
  ++lost_;
  if (!passed) --record->unpassed;
  if (--record->copies.at(region) > 0) return;
  const auto bit = 1U << region;
  record->regions &= ~bit;
  record->lost |= bit;
  record->unnoticed |= bit;
  if (record->regions == 0) record->excused = true;
}

void BrokerModel::noticed(std::size_t region, Spool spool) {
  for (auto& record : records_)
    if (record.spool == spool) record.unnoticed &= ~(1U << region);
}

void BrokerModel::check_order(const client::RegionRecord& record, bool dropped) {
  const auto& origin = *record.record.origin;
  auto& [first, newest] = lanes_[{origin.producer, origin.lane}];
  if (first == 0) first = origin.sequence;
  const bool late = origin.sequence < newest;
  if (late != record.late) {
    fault(fmt::format("{} is handed over {}, and marked as {}", record.record.data,
                      late ? "late" : "in order", record.late ? "late" : "in order"));
  } else if (late && rules_.ordered && !rules_.gaps && !dropped &&
             !(rules_.live_first && origin.sequence < first)) {
    fault(fmt::format("{}, sequence {} of its lane, is handed over after sequence {}",
                      record.record.data, origin.sequence, newest));
  }
  newest = std::max(newest, origin.sequence);
}

void BrokerModel::handed_over(const client::RegionRecord& record) {
  Record* const known =
      find("the reader", record.record.partition_key, record.record.data, record.record.origin);
  if (known == nullptr) return;
  if ((known->ever >> record.region & 1U) == 0)
    return fault(fmt::format("the reader has {} from region {}, which never stored it",
                             record.record.data, record.region));
  if (known->handed_over) return fault(fmt::format("{} is handed over again", record.record.data));
  known->handed_over = true;
  if (known->times++ > 0) ++again_;
  check_order(record, known->dropped);
  uncommitted_.push_back(static_cast<Number>(known - records_.data()));
}

void BrokerModel::committed() {
  for (const auto number : uncommitted_) records_[number].committed = true;
  handed_over_ += uncommitted_.size();
  uncommitted_.clear();
  lanes_committed_ = lanes_;
}

void BrokerModel::reader_crashed() {
  for (const auto number : uncommitted_) records_[number].handed_over = false;
  uncommitted_.clear();
  lanes_ = lanes_committed_;
}

// --- What was found

bool BrokerModel::promised(const Record& record) {
  return record.acknowledged && !record.poison && !record.excused;
}

bool BrokerModel::complete() const {
  return std::ranges::all_of(records_, [this](const Record& record) {
    if (record.regions == 0 && promised(record)) return false;
    return record.committed || !rules_.read || record.unpassed == 0;
  });
}

Status BrokerModel::missing() const {
  for (std::size_t number = 0; number < records_.size(); ++number) {
    const auto& record = records_[number];
    if (promised(record) && record.regions == 0)
      return Error{ErrorCode::kCorrupt,
                   fmt::format("record {} was acknowledged, and no region has it", number)};
    if (rules_.read && record.unpassed > 0 && !record.committed)
      return Error{ErrorCode::kCorrupt,
                   fmt::format("record {} is stored, and was not handed over", number)};
  }
  return {};
}

Status BrokerModel::check_sent(std::size_t region, Spool spool, const Sent& sent) const {
  for (std::size_t number = 0; number < records_.size(); ++number) {
    const auto& record = records_[number];
    if (record.spool != spool || !record.position || *record.position >= sent.next) continue;
    if (record.poison || record.dropped) continue;
    if (record.lane < sent.first_lane || record.lane > sent.last_lane) continue;
    if ((record.regions >> region & 1U) != 0 || (record.unnoticed >> region & 1U) != 0) continue;
    if ((record.lost >> region & 1U) != 0 && *record.position < sent.oldest) continue;
    const bool noted = std::ranges::any_of(sent.unsent, [&](const Range& range) {
      return range.first <= *record.position && *record.position < range.second;
    });
    if (noted) continue;
    return Error{ErrorCode::kCorrupt,
                 fmt::format("record {} is not in region {}, and its cursor says that it is",
                             number, region)};
  }
  return {};
}

}  // namespace spillway::sim
