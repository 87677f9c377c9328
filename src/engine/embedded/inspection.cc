#include "engine/embedded/inspection.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

#include "log/journal.h"
#include "log/journal_scan.h"
#include "log/segment_format.h"

namespace spillway::engine {

namespace {

constexpr std::uint64_t kRecordsAtOnce = 10'000;
constexpr std::size_t kBytesAtOnce = std::size_t{4} << 20;

// What is wrong with the hash ranges of the open shards, which must share out all keys.
std::string wrong_ranges(const stream::StreamInfo& stream) {
  std::map<Uint128, const stream::ShardInfo*> open;
  for (const auto& shard : stream.shards)
    if (shard.open()) open[shard.first_hash_key] = &shard;
  Uint128 expected = 0;
  bool complete = false;
  for (const auto& [first, shard] : open) {
    if (complete || first != expected || shard->last_hash_key < first)
      return fmt::format("shard {} does not begin where the one before it ends", shard->index);
    complete = shard->last_hash_key == kUint128Max;
    expected = shard->last_hash_key + 1;
  }
  return complete ? "" : "the last hash key belongs to no open shard";
}

}  // namespace

Result<std::unique_ptr<Inspection>> Inspection::open(io::Disk& disk, const std::string& directory) {
  const auto names = disk.list(io::join_path(directory, "journal"));
  if (!names.ok() && names.error().code == ErrorCode::kNotFound) {
    return Error{ErrorCode::kNotFound,
                 fmt::format("{} is no data directory of `spillway serve`", directory)};
  }
  if (!names.ok()) return names.error();
  std::unique_ptr<Inspection> inspection(new Inspection(disk, directory));
  SPILLWAY_ASSIGN(inspection->lock_, disk.lock(inspection->path("lock")));
  SPILLWAY_TRY(inspection->read_catalog());
  SPILLWAY_TRY(inspection->find_segments());
  return inspection;
}

void Inspection::damaged(std::string what) {
  if (++report_.damage_count <= kDamagesMax) report_.damages.push_back(std::move(what));
}

// As recovery does it, without changing anything.
Status Inspection::read_catalog() {
  auto found = read_newest_snapshot(disk_, path("snapshots"));
  if (!found.ok()) {
    damaged(found.error().message);
    // Without it, nobody knows where the journal goes on; of the catalog there is what stands
    // there.
    return read_damaged_journal();
  }
  if (!found->damage.empty()) damaged(found->damage);
  snapshot_ = std::move(found->snapshot);
  report_.catalog = snapshot_->catalog;
  report_.snapshot_frame = report_.last_frame = snapshot_->last_frame;
  const auto content = log::read_journal(disk_, path("journal"), report_.snapshot_frame);
  if (!content.ok()) {
    damaged(content.error().message);
    return read_damaged_journal();
  }
  frames_known_ = true;
  for (const auto& frame : content->frames) read_frame(frame.number, frame.entries);
  return {};
}

// The frames that are whole.
Status Inspection::read_damaged_journal() {
  SPILLWAY_ASSIGN(const auto files, log::journal_paths(disk_, path("journal")));
  for (const auto& file : files) {
    SPILLWAY_TRY(log::scan_journal_file(disk_, file, [&](const log::ScannedFrame& frame) {
      if (!frame.leftover && frame.number > report_.last_frame)
        read_frame(frame.number, frame.entries);
    }));
  }
  return {};
}

void Inspection::read_frame(std::uint64_t number, const std::vector<log::Entry>& entries) {
  report_.last_frame = number;
  for (const auto& entry : entries) {
    if (entry.type != log::EntryType::kCatalogChange) continue;
    auto change = stream::decode_catalog_change(entry.batch.payload);
    if (change.ok()) {
      // What made it may stand in a frame that is damaged.
      std::erase_if(change->remove,
                    [&](const auto& name) { return report_.catalog->find(name) == nullptr; });
      report_.catalog = stream::apply(*report_.catalog, *change);
    } else {
      damaged(fmt::format("journal frame {}: {}", number, change.error().message));
    }
  }
}

void Inspection::check_catalog() {
  std::set<std::uint64_t> ids;
  const auto check_id = [&](std::uint64_t id, const std::string& name) {
    if (!ids.insert(id).second || id >= report_.catalog->next_id)
      damaged(
          fmt::format("catalog: stream {}: id {} is there twice, or was never given", name, id));
  };
  for (const auto& [name, stream] : report_.catalog->streams) {
    check_id(stream->id, name);
    for (const auto& shard : stream->shards) check_id(shard.id, name);
    for (const auto& [consumer, info] : stream->consumers) check_id(info.id, name);
    if (const auto wrong = wrong_ranges(*stream); !wrong.empty())
      damaged(fmt::format("catalog: stream {}: {}", name, wrong));
  }
}

Status Inspection::find_segments() {
  const auto names = disk_.list(path("segments"));
  if (!names.ok() && names.error().code != ErrorCode::kNotFound) return names.error();
  std::vector<log::SegmentName> there;
  std::vector<std::string> unreadable;
  for (const auto& name : names.ok() ? *names : std::vector<std::string>()) {
    if (const auto mark = log::mark_of(name)) marks_.push_back(*mark);
    if (!name.ends_with(log::kSegmentSuffix)) continue;
    ++report_.segments;
    const std::string file = io::join_path(path("segments"), name);
    auto segment = open_segment(name);
    if (!segment.ok()) {
      unreadable.push_back(file);
      continue;
    }
    check_names(**segment);
    there.push_back((*segment)->name());
    segments_.push_back(*std::move(segment));
  }
  if (snapshot_) report_.losses = snapshot_->losses;
  std::erase_if(report_.losses,
                [&](const auto& loss) { return log::is_there(segments_, loss.range); });
  if (snapshot_ && snapshot_->segments)
    missing_ = log::missing_segments(*snapshot_->segments, there, marks_);
  // What is there and can't be read has been told.
  std::erase_if(missing_, [&](const log::MissingSegment& missing) {
    const auto file = log::segment_path(path("segments"), missing.name.range);
    const bool is_there = std::ranges::find(unreadable, file) != unreadable.end();
    if (is_there) unreadable_.push_back(missing.name.range);
    return is_there;
  });
  return {};
}

// As far as it can be read: what is wrong with its footer is told, and its directory may say as
// much.
Result<log::SegmentRef> Inspection::open_segment(const std::string& name) {
  const std::string file = io::join_path(path("segments"), name);
  auto segment = log::Segment::open(disk_, file);
  if (segment.ok()) return segment;
  damaged(segment.error().message);
  if (segment.error().code != ErrorCode::kCorrupt) return segment;
  SPILLWAY_ASSIGN(auto opened, disk_.open(file, io::OpenMode::kRead));
  SPILLWAY_ASSIGN(const std::uint64_t size, opened->size());
  return log::Segment::open_without_footer(disk_, file, range_of(name, size));
}

// The frames of a segment that doesn't tell them: what the snapshot says of its name. One of
// another size was merged since, and has the frames of those before it that are gone, too.
log::FrameRange Inspection::range_of(const std::string& name, std::uint64_t size) const {
  const std::uint64_t last = std::strtoull(name.c_str(), nullptr, 16);
  log::FrameRange range{last, last};
  if (!snapshot_ || !snapshot_->segments) return range;
  const auto& named = *snapshot_->segments;
  auto at = std::ranges::find(named, last, [](const auto& segment) { return segment.range.last; });
  if (at == named.end()) return range;
  range = at->range;
  while (at->size != size && at != named.begin() &&
         !disk_.open(log::segment_path(path("segments"), (--at)->range), io::OpenMode::kRead).ok())
    range.first = at->range.first;
  return range;
}

void Inspection::check_names(const log::Segment& segment) {
  const log::FrameRange range = segment.range();
  if (log::segment_path(path("segments"), range) != segment.path()) {
    damaged(fmt::format("{} holds frames {} to {}: it was renamed", segment.path(), range.first,
                        range.last));
  }
  if (frames_known_ && range.last > report_.last_frame) {
    damaged(fmt::format("{} holds frames through {}, but snapshots and journal end at {}",
                        segment.path(), range.last, report_.last_frame));
  }
}

std::vector<std::string> Inspection::missing() const {
  std::vector<std::string> descriptions;
  descriptions.reserve(missing_.size());
  for (const auto& missing : missing_)
    descriptions.push_back(log::describe(path("segments"), missing));
  return descriptions;
}

// Renames what is there in place of `name`; its new path.
Result<std::string> Inspection::set_aside(const log::SegmentName& name, WallTime now) {
  const std::string file = log::segment_path(path("segments"), name.range);
  std::string aside = fmt::format("{}.foreign-{}", file, to_millis(now));
  SPILLWAY_TRY(disk_.rename(file, aside));
  std::erase_if(segments_, [&](const auto& segment) { return segment->path() == file; });
  --report_.segments;
  return aside;
}

Result<std::vector<std::string>> Inspection::accept_loss(WallTime now) {
  std::vector<std::string> aside;
  if (missing_.empty()) return aside;
  Snapshot without = *snapshot_;
  without.losses = report_.losses;
  for (const auto& missing : missing_) {
    if (!missing.found_size) continue;
    SPILLWAY_ASSIGN(aside.emplace_back(), set_aside(missing.name, now));
  }
  // Before the snapshot that no longer says which file it should be.
  if (!aside.empty()) SPILLWAY_TRY(disk_.sync_directory(path("segments")));
  for (const auto& missing : missing_) {
    std::erase(*without.segments, missing.name);
    without.losses.push_back({missing.name.range, to_millis(now)});
  }
  SPILLWAY_TRY(write_snapshot(disk_, path("snapshots"), without));
  report_.losses = without.losses;
  snapshot_ = std::move(without);
  missing_.clear();
  return aside;
}

Status Inspection::walk(const std::function<void(const FoundBatch&)>& visit) {
  if (!damage_before_) damage_before_ = report_.damage_count;
  report_.damage_count = *damage_before_;
  report_.damages.resize(std::min<std::size_t>(report_.damages.size(), *damage_before_));
  report_.in_journal = report_.left_over = report_.in_segments = {};
  report_.holes.clear();
  report_.hole_count = 0;
  for (const auto& description : missing()) damaged(description);
  walk_segments(visit);
  SPILLWAY_TRY(walk_journal(visit));
  if (ended_) return Error{ErrorCode::kClosed, "the walk was ended"};
  return {};
}

Status Inspection::walk_journal(const std::function<void(const FoundBatch&)>& visit) {
  SPILLWAY_ASSIGN(const auto files, log::journal_paths(disk_, path("journal")));
  report_.journal_files = files.size();
  for (const auto& file : files) {
    if (ended_) return {};
    const auto scanned = log::scan_journal_file(disk_, file, [&](const log::ScannedFrame& frame) {
      for (const auto& entry : frame.entries) {
        if (entry.type != log::EntryType::kBatch) continue;
        (frame.leftover ? report_.left_over : report_.in_journal).add(entry.batch);
        visit({frame.leftover ? FoundBatch::Where::kLeftover : FoundBatch::Where::kJournal, file,
               frame.offset, entry.batch});
      }
    });
    if (!scanned.ok()) damaged(scanned.error().message);
  }
  return {};
}

void Inspection::walk_segments(const std::function<void(const FoundBatch&)>& visit) {
  // Of each shard: where its last extent so far ends, and the last frame of that one's segment.
  struct Seen {
    std::uint64_t end = 0;
    std::uint64_t frame = 0;
  };
  std::map<stream::ShardId, Seen> shards;
  for (const auto& segment : segments_) {
    const log::FrameRange range = segment->range();
    const bool leftover = is_leftover(*segment);
    for (const auto& extent : readable_extents(*segment)) {
      walk_extent(*segment, extent, visit);
      if (leftover) continue;
      Seen& seen = shards[extent.shard];
      if (extent.first < seen.end)
        damaged(fmt::format("{}: shard {} goes back from position {} to {}", segment->path(),
                            extent.shard, seen.end, extent.first));
      note_hole({extent.shard, seen.end, extent.first}, seen.frame, range.first);
      seen = {extent.end, range.last};
    }
  }
  if (!snapshot_) return;
  for (const auto& tip : snapshot_->tips) {
    const Seen& seen = shards[tip.shard];
    note_hole({tip.shard, seen.end, tip.next}, seen.frame, snapshot_->last_frame + 1);
  }
}

std::vector<log::Extent> Inspection::readable_extents(const log::Segment& segment) {
  if (auto all = segment.extents(); all.ok()) return *std::move(all);
  std::vector<log::Extent> readable;
  unreadable_.push_back(segment.range());
  for (std::uint32_t number = 0; number < segment.shard_count(); ++number) {
    const auto extent = segment.extents(number, 1);
    if (extent.ok())
      readable.push_back(extent->front());
    else
      damaged(extent.error().message);
  }
  return readable;
}

// Whose content stands in another one too, or has expired.
bool Inspection::is_leftover(const log::Segment& segment) const {
  const log::FrameRange range = segment.range();
  return std::ranges::any_of(marks_, [&](const auto& mark) { return mark.covers(range); }) ||
         std::ranges::any_of(segments_, [&](const auto& other) {
           return other.get() != &segment && other->range().covers(range);
         });
}

// Positions that no extent between two frames has: within a shard there are none such, but for what
// has expired, and what is missing.
void Inspection::note_hole(const Hole& hole, std::uint64_t after_frame,
                           std::uint64_t before_frame) {
  const auto between = [&](const log::FrameRange& range) {
    return range.first > after_frame && range.last < before_frame;
  };
  const bool lies_there =
      std::ranges::any_of(missing_,
                          [&](const auto& missing) { return between(missing.name.range); }) ||
      std::ranges::any_of(unreadable_, between);
  if (hole.first >= hole.end || !lies_there) return;
  if (++report_.hole_count <= kDamagesMax) report_.holes.push_back(hole);
}

// Every block of it: what is read of one is under checksums.
void Inspection::walk_extent(const log::Segment& segment, const log::Extent& extent,
                             const std::function<void(const FoundBatch&)>& visit) {
  for (std::uint64_t from = extent.first; from < extent.end && !ended_;) {
    std::vector<log::Batch> batches;
    const auto read = segment.read(extent, from, kRecordsAtOnce, kBytesAtOnce, batches);
    for (const auto& batch : batches) {
      report_.in_segments.add(batch);
      visit({FoundBatch::Where::kSegment, segment.path(), 0, batch});
    }
    if (!read.ok()) damaged(read.error().message);
    if (!batches.empty()) from = batches.back().end();
    if (read.ok() && batches.empty()) return;  // the rest of the extent can't be found
    if (!read.ok()) from = whole_behind(segment, extent, from);
  }
}

// The first position behind a damaged one that can be read, or the extent's end: by doubling steps,
// then by halves.
std::uint64_t Inspection::whole_behind(const log::Segment& segment, const log::Extent& extent,
                                       std::uint64_t from) {
  std::uint64_t low = from;  // damaged
  std::uint64_t high = extent.end;
  bool doubling = true;
  for (std::uint64_t step = 1; high - low > 1; step *= 2) {
    const std::uint64_t probe = doubling ? std::min(low + step, high - 1) : low + (high - low) / 2;
    std::vector<log::Batch> batches;
    const bool whole = segment.read(extent, probe, 1, 1, batches).ok();
    (whole ? high : low) = probe;
    doubling = doubling && !whole;
  }
  return high;
}

}  // namespace spillway::engine
