#include "log/segment_set.h"

#include <algorithm>
#include <ranges>

#include "base/assert.h"

namespace spillway::log {

Result<std::unique_ptr<SegmentSet>> SegmentSet::open(io::Disk& disk, SegmentSetOptions options) {
  SPILLWAY_ASSERT(options.merge_fan_in >= 2);
  std::unique_ptr<SegmentSet> set(new SegmentSet(disk, std::move(options)));
  SPILLWAY_ASSIGN(auto found, open_segments(disk, set->options_.directory));
  set->replace(std::move(found.segments));
  set->marks_ = std::move(found.marks);
  return set;
}

std::shared_ptr<const SegmentSet::List> SegmentSet::list() const {
  const std::lock_guard lock(mutex_);
  return list_;
}

void SegmentSet::replace(List list) {
  auto fresh = std::make_shared<const List>(std::move(list));
  // The old list goes outside of the mutex: with it may go files, which are closed then.
  const std::lock_guard lock(mutex_);
  list_.swap(fresh);
}

std::uint64_t SegmentSet::last_frame() const {
  const auto segments = list();
  return segments->empty() ? 0 : segments->back()->range().last;
}

std::vector<SegmentName> SegmentSet::names() const {
  const auto segments = list();
  std::vector<SegmentName> names;
  names.reserve(segments->size());
  for (const auto& segment : *segments) names.push_back(segment->name());
  return names;
}

std::vector<MissingSegment> SegmentSet::missing(std::span<const SegmentName> named) const {
  return missing_segments(named, names(), marks_);
}

Result<std::vector<std::string>> SegmentSet::vanished() const {
  const auto segments = list();
  SPILLWAY_ASSIGN(const auto names, disk_.list(options_.directory));  // sorted
  std::vector<std::string> vanished;
  for (const auto& segment : *segments) {
    const std::string_view path = segment->path();
    if (!std::ranges::binary_search(names, path.substr(path.rfind('/') + 1)))
      vanished.emplace_back(path);
  }
  return vanished;
}

Status SegmentSet::read(const SegmentQuery& query, std::vector<Batch>& out) const {
  const auto segments = list();
  std::uint64_t from = query.from;
  std::uint64_t records = query.max_records;
  std::size_t bytes = query.max_bytes;
  for (const auto& segment : *segments) {
    if (records == 0 || bytes == 0) break;
    if (segment->last_arrival_ms() < query.horizon_ms) continue;
    SPILLWAY_ASSIGN(const auto extent, segment->find(query.shard));
    if (!extent || extent->end <= from || extent->last_arrival_ms < query.horizon_ms) continue;
    if (extent->first_arrival_ms < query.horizon_ms) {
      SPILLWAY_ASSIGN(const auto first, segment->find_by_time(*extent, query.horizon_ms));
      from = std::max(from, first.value_or(extent->end));
    }
    std::size_t at = out.size();
    SPILLWAY_TRY(segment->read(*extent, from, records, bytes, out));
    for (; at < out.size(); ++at) {
      records -= std::min(records, out[at].end() - std::max(out[at].first, from));
      bytes -= std::min(bytes, out[at].payload.size());
    }
  }
  return {};
}

Result<std::optional<std::uint64_t>> SegmentSet::find_by_time(std::uint64_t shard,
                                                              std::int64_t time_ms) const {
  const auto segments = list();
  for (const auto& segment : *segments) {
    if (segment->last_arrival_ms() < time_ms) continue;
    SPILLWAY_ASSIGN(const auto extent, segment->find(shard));
    if (!extent || extent->last_arrival_ms < time_ms) continue;
    return segment->find_by_time(*extent, time_ms);
  }
  return std::optional<std::uint64_t>();
}

void SegmentSet::add(SegmentRef segment) {
  List fresh = *list();
  SPILLWAY_ASSERT(fresh.empty() || fresh.back()->range().last < segment->range().first);
  fresh.push_back(std::move(segment));
  replace(std::move(fresh));
  drop_caches();
}

// Each segment once: what readers far behind bring into the cache is theirs.
void SegmentSet::drop_caches() {
  const auto segments = list();
  std::uint64_t newer = 0;
  std::uint64_t dropped = dropped_through_;
  for (const auto& segment : std::views::reverse(*segments)) {
    newer += segment->size();
    if (segment->range().last <= dropped_through_) break;
    if (newer <= options_.page_cache_bytes) continue;
    segment->drop_cache();
    dropped = std::max(dropped, segment->range().last);
  }
  dropped_through_ = dropped;
}

Status SegmentSet::remove_after(std::uint64_t frame) {
  List kept;
  List gone;
  const auto segments = list();
  for (const auto& segment : *segments) {
    if (segment->range().first <= frame && frame < segment->range().last) {
      return Error{ErrorCode::kCorrupt,
                   fmt::format("{} goes on behind frame {}, where everything else ends",
                               segment->path(), frame)};
    }
    (segment->range().last <= frame ? kept : gone).push_back(segment);
  }
  if (gone.empty()) return {};
  replace(std::move(kept));
  SPILLWAY_TRY(remove_files(gone));
  return disk_.sync_directory(options_.directory);
}

Status SegmentSet::remove_expired(const RetentionOf& retention_of, std::int64_t now_ms) {
  constexpr std::uint32_t kExtentsAtOnce = 256;
  List gone;
  std::optional<Error> unreadable;
  const auto segments = list();
  for (const auto& segment : *segments) {
    bool live = false;
    for (std::uint32_t number = 0; number < segment->shard_count() && !live;) {
      const auto extents = segment->extents(number, kExtentsAtOnce);
      if (!extents.ok()) unreadable = extents.error();
      // What can't be read is kept: others of the segment's records may be wanted.
      live = !extents.ok() || !std::ranges::all_of(*extents, [&](const Extent& extent) {
        return expired(extent, retention_of, now_ms);
      });
      if (extents.ok()) number += static_cast<std::uint32_t>(extents->size());
    }
    if (!live) gone.push_back(segment);
  }
  SPILLWAY_TRY(remove(gone));
  if (unreadable) return *std::move(unreadable);
  return {};
}

// Takes segments out of effect that nothing replaces.
Status SegmentSet::remove(const List& gone) {
  if (gone.empty()) return {};
  std::vector<FrameRange> marks;
  marks.reserve(gone.size());
  for (const auto& segment : gone) {
    marks.push_back(segment->range());
    if (std::ranges::find(marks_, marks.back()) == marks_.end()) marks_.push_back(marks.back());
  }
  SPILLWAY_TRY(write_marks(disk_, options_.directory, marks));
  List kept = *list();
  std::erase_if(
      kept, [&](const auto& segment) { return std::ranges::find(gone, segment) != gone.end(); });
  replace(std::move(kept));
  return remove_files(gone);
}

Status SegmentSet::remove_marks() {
  for (const FrameRange& mark : std::exchange(marks_, {})) {
    auto removed = disk_.remove(mark_path(options_.directory, mark));
    if (!removed.ok() && removed.error().code != ErrorCode::kNotFound) return removed;
  }
  return {};
}

Status SegmentSet::remove_files(const List& segments) {
  Status first;
  for (const auto& segment : segments) {
    auto removed = disk_.remove(segment->path());
    if (!removed.ok() && removed.error().code != ErrorCode::kNotFound && first.ok())
      first = std::move(removed);
  }
  return first;
}

bool SegmentSet::hole_between(const Segment& before, const Segment& after) const {
  return std::ranges::any_of(options_.holes, [&](const FrameRange& hole) {
    return before.range().last < hole.first && hole.last < after.range().first;
  });
}

// The oldest adjacent segments of the lowest level that has enough of them; empty where there are
// none. What is larger than half of merge_bytes_max stays as it is.
SegmentSet::List SegmentSet::plan_merge() const {
  const auto segments = list();
  List best;
  List run;
  std::uint64_t bytes = 0;
  std::size_t run_length = 0;  // adjacent segments of the level, those that did not fit included
  const auto end_run = [&] {
    if (run.size() >= 2 && run_length >= options_.merge_fan_in &&
        (best.empty() || run.front()->level() < best.front()->level()))
      best = run;
    run.clear();
    bytes = 0;
    run_length = 0;
  };
  for (const auto& segment : *segments) {
    const bool mergeable = !not_to_merge_.contains(segment->range().last) &&
                           segment->size() <= options_.merge_bytes_max / 2;
    if (!run.empty() && (!mergeable || segment->level() != run.front()->level() ||
                         hole_between(*run.back(), *segment)))
      end_run();
    if (!mergeable) continue;
    ++run_length;
    if (run_length == run.size() + 1 && run.size() < options_.merge_fan_in &&
        bytes + segment->size() <= options_.merge_bytes_max) {
      run.push_back(segment);
      bytes += segment->size();
    }
  }
  end_run();
  return best;
}

Result<bool> SegmentSet::begin_merge() {
  List inputs = plan_merge();
  if (inputs.empty()) return false;
  std::uint64_t needed = options_.merge_leaves_free;
  for (const auto& input : inputs) needed += input->size();
  SPILLWAY_ASSIGN(const std::uint64_t free, disk_.free_space(options_.directory));
  if (free < needed) return false;
  SPILLWAY_ASSIGN(merge_, SegmentMerge::begin(disk_, options_.directory, std::move(inputs)));
  return true;
}

// Puts the merged segment, of which there is one, into effect in place of what it covers.
Status SegmentSet::finish_merge() {
  const auto merge = std::move(merge_);
  List fresh;
  List gone;
  bool placed = false;
  const auto segments = list();
  for (const auto& segment : *segments) {
    if (merge->range().covers(segment->range())) {
      // The last one's name is the merged one's now.
      if (segment->path() != merge->result()->path()) gone.push_back(segment);
      continue;
    }
    if (!placed && merge->range().last < segment->range().first) {
      fresh.push_back(merge->result());
      placed = true;
    }
    fresh.push_back(segment);
  }
  if (!placed) fresh.push_back(merge->result());
  replace(std::move(fresh));
  dropped_through_ = std::min(dropped_through_, merge->range().first - 1);  // it was just written
  drop_caches();
  return remove_files(gone);
}

Result<bool> SegmentSet::merge_step(const RetentionOf& retention_of, std::int64_t now_ms) {
  if (!merge_) {
    SPILLWAY_ASSIGN(const bool begun, begin_merge());
    if (!begun) return false;
  }
  auto done = merge_->step(retention_of, now_ms);
  if (done.ok() && *done && merge_->result() == nullptr) {
    auto removed = remove(merge_->inputs());
    if (removed.ok()) {
      merge_.reset();
      return true;
    }
    done = std::move(removed).error();
  }
  if (!done.ok()) {
    if (done.error().code != ErrorCode::kNoSpace)
      for (const auto& input : merge_->inputs()) not_to_merge_.insert(input->range().last);
    const FrameRange range = merge_->range();
    merge_.reset();
    return context(fmt::format("merge the segments of frames {} to {}", range.first, range.last),
                   std::move(done).error());
  }
  if (*done) SPILLWAY_TRY(finish_merge());
  return true;
}

}  // namespace spillway::log
