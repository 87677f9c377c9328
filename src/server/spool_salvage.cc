#include "server/spool_salvage.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <future>
#include <utility>

#include "broker/cursors.h"
#include "stream/record_batch.h"

namespace spillway::server {

namespace {

constexpr std::string_view kDamaged = "spool.damaged-";
constexpr std::string_view kSalvaged = "spool.salvaged-";
constexpr std::string_view kPartly = "spool.partly-salvaged-";
constexpr std::size_t kBytesAtOnce = std::size_t{1} << 20;
constexpr auto kRetryEvery = seconds(1);

// Shard → how far it was delivered, to the target that has most of it, and what of that wasn't.
using Delivered = std::map<stream::ShardId, broker::Cursor>;

void note_cursors(std::string_view payload, Delivered& delivered) {
  stream::RecordBatchReader records(payload);
  while (const auto record = records.next()) {
    const auto cursors = broker::decode_cursors(record->data);
    if (!cursors.ok()) continue;
    for (const auto& [key, cursor] : cursors->cursors) {
      auto& furthest = delivered[key.first];
      if (!broker::is_further(cursor, furthest)) continue;
      furthest.next = cursor.next;
      furthest.left_behind = cursor.left_behind;
    }
  }
}

}  // namespace

// What is read of one spool.
struct SpoolSalvage::Source {
  std::map<stream::ShardId, std::string> streams;
  std::optional<stream::ShardId> cursors;
  Delivered delivered;  // or taken
  // Waiting to be restored, all of one stream; views into `payloads`.
  std::string stream;
  std::vector<stream::RecordView> records;
  std::deque<std::string> payloads;
  std::size_t bytes = 0;
  std::uint64_t restored = 0;
  std::uint64_t unknown = 0;  // records of streams that the damaged catalog doesn't tell
};

std::string spool_directory(const std::string& data) { return io::join_path(data, "spool"); }

Result<std::string> set_spool_aside(io::Disk& disk, const std::string& data, WallTime now) {
  std::string aside = io::join_path(data, fmt::format("{}{}", kDamaged, to_millis(now)));
  SPILLWAY_TRY(disk.rename(spool_directory(data), aside));
  SPILLWAY_TRY(disk.sync_directory(data));
  return aside;
}

SpoolSalvage::SpoolSalvage(const Parts& parts)
    : parts_(parts),
      salvaged_(parts.metrics.counter("spillway_spool_salvaged_records_total",
                                      "Records of damaged spools that are in the spool again")),
      waiting_(parts.metrics.gauge("spillway_spools_set_aside",
                                   "Damaged spools that were not read to their end yet")) {}

Result<std::unique_ptr<SpoolSalvage>> SpoolSalvage::make(const std::string& data,
                                                         const Parts& parts) {
  std::unique_ptr<SpoolSalvage> salvage(new SpoolSalvage(parts));
  const auto names = parts.disk.list(data);
  if (!names.ok() && names.error().code == ErrorCode::kNotFound) return salvage;
  if (!names.ok()) return names.error();
  for (const auto& name : *names) {
    if (!name.starts_with(kDamaged)) continue;
    const std::string path = io::join_path(data, name);
    auto inspection = engine::Inspection::open(parts.disk, path);
    salvage->waiting_.add(1);
    if (!inspection.ok()) {
      parts.log.error("a spool that was set aside can't be read",
                      {{"path", path}, {"reason", inspection.error().message}});
      continue;
    }
    for (const auto& [stream, info] : (*inspection)->report().catalog->streams)
      if (stream != broker::Spool::kCursorStream) salvage->streams_.push_back(stream);
    salvage->asides_.push_back({path, *std::move(inspection)});
  }
  return salvage;
}

SpoolSalvage::~SpoolSalvage() { stop(); }

void SpoolSalvage::start(broker::Spool& spool) {
  if (asides_.empty()) return;
  spool_ = &spool;
  worker_ = parts_.workers.start({.name = "salvage", .priority = io::Priority::kBackground},
                                 [this] { return step(); });
  worker_->wake();
}

void SpoolSalvage::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
  for (const auto& aside : asides_) aside.inspection->end();
  worker_.reset();
}

io::Step SpoolSalvage::step() {
  for (const auto& aside : asides_) {
    const auto salvaged = salvage(aside);
    if (salvaged.ok()) {
      waiting_.add(-1);
    } else if (salvaged.error().code != ErrorCode::kClosed) {
      parts_.log.error("a spool that was set aside can't be read to its end",
                       {{"path", aside.path}, {"reason", salvaged.error().message}});
    }
  }
  return io::Step::kWait;
}

Status SpoolSalvage::salvage(const Aside& aside) {
  Source source;
  for (const auto& [name, stream] : aside.inspection->report().catalog->streams) {
    for (const auto& shard : stream->shards) {
      if (name == broker::Spool::kCursorStream)
        source.cursors = shard.id;
      else
        source.streams[shard.id] = name;
    }
  }
  // The cursors may come behind what they are of.
  SPILLWAY_TRY(aside.inspection->walk([&](const engine::FoundBatch& found) {
    if (found.where != engine::FoundBatch::Where::kLeftover && found.batch.shard == source.cursors)
      note_cursors(found.batch.payload, source.delivered);
  }));
  const auto lost = lost_max(aside.inspection->report(), source);
  SPILLWAY_TRY(
      aside.inspection->walk([&](const engine::FoundBatch& found) { take(source, found); }));
  if (!flush(source)) return Error{ErrorCode::kClosed, "the broker ends"};
  const std::string name = aside.path.substr(aside.path.rfind('/') + 1);
  const std::string directory = aside.path.substr(0, aside.path.size() - name.size());
  const std::string to = directory + std::string(source.unknown == 0 ? kSalvaged : kPartly) +
                         name.substr(kDamaged.size());
  SPILLWAY_TRY(parts_.disk.rename(aside.path, to));
  SPILLWAY_TRY(parts_.disk.sync_directory(directory));
  parts_.log.warning("what could be read of a damaged spool is in the spool again",
                     {{"path", to},
                      {"records", source.restored},
                      {"damages", aside.inspection->report().damage_count}});
  if (lost > 0) {
    parts_.log.error(
        "records of a damaged spool are lost: those of files that are gone or can't be read",
        {{"path", to}, {"records_max", lost}});
  }
  if (source.unknown > 0) {
    parts_.log.error("a damaged spool holds records of streams that it can't name any more",
                     {{"path", to}, {"records", source.unknown}});
  }
  return {};
}

// Of what wasn't delivered, as far as the report names it.
std::uint64_t SpoolSalvage::lost_max(const engine::InspectionReport& report, const Source& source) {
  std::uint64_t records = 0;
  for (const auto& hole : report.holes) {
    if (hole.shard == source.cursors) continue;
    const auto known = source.delivered.find(hole.shard);
    const bool goes_on = known != source.delivered.end() && known->second.left_behind.empty();
    const auto first = goes_on ? std::max(hole.first, known->second.next.value) : hole.first;
    records += hole.end - std::min(first, hole.end);
  }
  return records;
}

void SpoolSalvage::take(Source& source, const engine::FoundBatch& found) {
  const auto stream = source.streams.find(found.batch.shard);
  // A leftover may never have been acknowledged.
  if (found.where == engine::FoundBatch::Where::kLeftover) return;
  if (stream == source.streams.end()) {
    if (found.batch.shard != source.cursors) source.unknown += found.batch.count;
    return;
  }
  auto& [next, lanes, unsent, left_behind] = source.delivered[found.batch.shard];
  const broker::PositionRange range{{found.batch.first}, {found.batch.end()}};
  const auto left = broker::clipped(left_behind, range);
  if (range.second <= next && left.empty()) return;
  if (source.stream != stream->second || source.bytes >= kBytesAtOnce) {
    if (!flush(source)) return;
    source.stream = stream->second;
  }
  const auto& payload = source.payloads.emplace_back(found.batch.payload);
  source.bytes += payload.size();
  stream::RecordBatchReader records(payload);
  for (auto at = range.first; const auto record = records.next(); at = at.plus(1)) {
    const bool is_left = !broker::clipped(left, {at, at.plus(1)}).empty();
    if (at >= next || is_left) source.records.push_back(*record);
  }
  left_behind = broker::difference(left_behind, {range});
  next = std::max(next, range.second);
}

// False: there was no time for all of it.
bool SpoolSalvage::flush(Source& source) {
  while (!source.records.empty()) {
    std::promise<broker::Spool::Outcomes> promise;
    spool_->restore(source.stream, source.records, [&promise](broker::Spool::Outcomes outcomes) {
      promise.set_value(std::move(outcomes));
    });
    const auto outcomes = promise.get_future().get();
    std::vector<stream::RecordView> left;
    for (std::size_t i = 0; i < outcomes.size(); ++i)
      if (!outcomes[i].ok()) left.push_back(source.records[i]);
    source.restored += outcomes.size() - left.size();
    salvaged_.add(outcomes.size() - left.size());
    source.records = std::move(left);
    if (!source.records.empty() && !pause()) return false;
  }
  source.payloads.clear();
  source.bytes = 0;
  return true;
}

// Before the next attempt. False: the broker ends.
bool SpoolSalvage::pause() {
  std::unique_lock lock(mutex_);
  return !stopped_.wait_for(lock, kRetryEvery, [this] { return stopping_; });
}

}  // namespace spillway::server
