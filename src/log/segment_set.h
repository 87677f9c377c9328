// The segments of a data directory: what is read beyond the tail, and what is merged and removed in
// the background.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "io/disk.h"
#include "log/segment.h"
#include "log/segment_directory.h"
#include "log/segment_merge.h"

namespace spillway::log {

struct SegmentSetOptions {
  std::string directory;
  std::uint32_t merge_fan_in = 8;  // adjacent segments of a level that become one of the next, ≥ 2
  std::uint64_t merge_bytes_max = std::uint64_t{2} << 30;  // inputs of a merge together
  // A merge begins only where this much space would be left beside it: it must never take the space
  // that the journal needs.
  std::uint64_t merge_leaves_free = std::uint64_t{256} << 20;
  // The newest segments stay in the system's page cache, up to so many bytes, for readers that are
  // a little behind and for merges. Older ones are dropped from it: a stream of writes would else
  // push everything out of the machine's memory, and each write would have to find a free page.
  std::uint64_t page_cache_bytes = std::uint64_t{1} << 30;
  // Of segments that are gone. One that is put back would be taken for a leftover of a merge across
  // it, so there is none.
  std::vector<FrameRange> holes;
};

struct SegmentQuery {
  std::uint64_t shard = 0;
  std::uint64_t from = 0;
  std::int64_t horizon_ms = INT64_MIN;  // batches that arrived before it have expired
  std::uint64_t max_records = 10'000;
  std::size_t max_bytes = std::size_t{10} << 20;
};

// Readers may be on any thread; one thread at a time adds, removes and merges. Readers see an
// immutable list, which is replaced under a mutex that nobody holds during a call of the disk. A
// segment that was merged or removed stays readable for those who hold it.
class SegmentSet {
 public:
  using List = std::vector<SegmentRef>;  // by ascending frames, which don't overlap

  // As open_segments() does. `disk` must outlive the set.
  static Result<std::unique_ptr<SegmentSet>> open(io::Disk& disk, SegmentSetOptions options);

  // --- Any thread.

  std::shared_ptr<const List> list() const;
  // The last frame in any segment; 0 where there is none.
  std::uint64_t last_frame() const;
  // Appends the shard's batches from `query.from` on, across segments, up to and including the one
  // that reaches a bound. What has expired is left out. kCorrupt and kIo as of Segment; `out` then
  // holds the batches before the damage.
  Status read(const SegmentQuery& query, std::vector<Batch>& out) const;
  // The position of the shard's first batch that arrived at or after `time_ms`; nullopt if no
  // segment holds one. With a shard's trim horizon as the time: its first available position.
  Result<std::optional<std::uint64_t>> find_by_time(std::uint64_t shard,
                                                    std::int64_t time_ms) const;

  // --- The writer's thread.

  // What has to be there from now on, to be named where that is durable (log/segment_directory.h).
  std::vector<SegmentName> names() const;
  // Of `named`, what is not there and has not been removed by a set.
  std::vector<MissingSegment> missing(std::span<const SegmentName> named) const;
  // The paths of segments whose files are gone: they are read as long as this object has them open,
  // and will be missing at the next start.
  Result<std::vector<std::string>> vanished() const;

  // Puts a segment that write_segment() made into effect; it lies behind all others.
  void add(SegmentRef segment);
  // Removes the segments with frames behind `frame`: of a crash between the writing of a segment
  // and of what says that it counts. kCorrupt where a segment holds frames on both sides.
  Status remove_after(std::uint64_t frame);
  // Removes each segment whose last extent has expired or belongs to a shard that is gone, once it
  // is marked. They are out of effect even where a file could not be removed, but for one whose
  // mark could not be made; the error says which.
  Status remove_expired(const RetentionOf& retention_of, std::int64_t now_ms);
  // Does a piece of work (about 4 MiB) on the merge under way, or begins one where there is
  // something to merge and space for it. Whether there is more to do. An error ends the merge and
  // leaves its inputs in effect; kNoSpace may be tried again later, after any other error the same
  // segments are not tried again by this object.
  Result<bool> merge_step(const RetentionOf& retention_of, std::int64_t now_ms);
  // Ends the merge under way, so that its space is free for others; it may begin anew later.
  // Whether there was one.
  bool drop_merge() { return std::exchange(merge_, nullptr) != nullptr; }
  // Removes the marks: names() of now, or of later, are durable.
  Status remove_marks();

 private:
  SegmentSet(io::Disk& disk, SegmentSetOptions options)
      : disk_(disk), options_(std::move(options)) {}
  void replace(List list);
  bool hole_between(const Segment& before, const Segment& after) const;
  List plan_merge() const;
  Result<bool> begin_merge();
  Status finish_merge();
  Status remove(const List& gone);
  Status remove_files(const List& segments);
  void drop_caches();

  io::Disk& disk_;
  const SegmentSetOptions options_;
  std::unique_ptr<SegmentMerge> merge_;
  std::set<std::uint64_t> not_to_merge_;  // last frames of segments whose merge failed
  std::uint64_t dropped_through_ = 0;     // segments that end here or before are out of the cache
  std::vector<FrameRange> marks_;         // that may be in the directory

  mutable std::mutex mutex_;  // list_
  std::shared_ptr<const List> list_;
};

}  // namespace spillway::log
