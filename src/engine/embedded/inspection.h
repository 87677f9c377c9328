// A data directory, looked at while no process uses it: whether all that is stored is whole, and
// what kind of batches there are. Nothing in it is changed (but for DIR/lock, which names the
// process that looks), unless accept_loss() is called.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/embedded/snapshot.h"
#include "io/disk.h"
#include "log/batch.h"
#include "log/frame.h"
#include "log/segment_directory.h"
#include "stream/catalog.h"

namespace spillway::engine {

// A batch, and where it was found.
struct FoundBatch {
  enum class Where {
    kJournal,
    kLeftover,  // in the journal, of an earlier use of a file: recovery doesn't read it
    kSegment,
  };
  Where where = Where::kJournal;
  std::string_view file;
  std::uint64_t offset = 0;  // of its frame in the journal; 0 in segments
  const log::Batch& batch;
};

struct BatchCounts {
  std::uint64_t batches = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;  // of payload, not packed

  void add(const log::Batch& batch) {
    ++batches;
    records += batch.count;
    bytes += batch.payload.size();
  }
};

// Positions that were in segments that are missing or can't be read, but for those that had
// expired.
struct Hole {
  stream::ShardId shard = 0;
  std::uint64_t first = 0;  // positions [first, end)
  std::uint64_t end = 0;
};

struct InspectionReport {
  stream::CatalogRef catalog = std::make_shared<stream::Catalog>();
  std::uint64_t snapshot_frame = 0;
  std::uint64_t last_frame = 0;
  std::uint64_t journal_files = 0;
  std::uint64_t segments = 0;
  BatchCounts in_journal;
  BatchCounts left_over;
  BatchCounts in_segments;
  // Each with the file and, where there is one, the offset. At most kDamagesMax of them.
  std::vector<std::string> damages;
  std::uint64_t damage_count = 0;
  std::vector<Hole> holes;  // at most kDamagesMax of them
  std::uint64_t hole_count = 0;
  std::vector<AcceptedLoss> losses;  // of the newest snapshot
};

inline constexpr std::size_t kDamagesMax = 100;

class Inspection {
 public:
  // Locks the directory, reads snapshot, catalog and journal, and opens the segments. kNotFound: no
  // data directory; kBusy: a process uses it. `disk` must outlive it.
  static Result<std::unique_ptr<Inspection>> open(io::Disk& disk, const std::string& directory);

  const InspectionReport& report() const { return report_; }
  // For people: each segment that has to be there and isn't.
  std::vector<std::string> missing() const;
  // Makes it durable that the region does without the missing segments: it starts again, they are
  // no damage any more, and losses of the report. A file that is there in place of one would count
  // then, so it is renamed, to what no region reads; the new paths of those files.
  Result<std::vector<std::string>> accept_loss(WallTime now);
  // Whether ids are there once, and the open shards of each stream share out all hash keys: what
  // the service keeps to, and the engine doesn't ask for.
  void check_catalog();
  // Reads everything, calling `visit` for every batch; the report is complete then, and again after
  // each further walk. Batches of a
  // shard come by ascending position, but for those that are there twice, and for leftovers. Errors
  // are the disk's, of listing and opening; what can't be read further on counts as damage; kClosed
  // after end().
  Status walk(const std::function<void(const FoundBatch&)>& visit);
  // Ends the walk under way soon, and each later one at once. Any thread.
  void end() { ended_ = true; }

 private:
  Inspection(io::Disk& disk, std::string directory)
      : disk_(disk), directory_(std::move(directory)) {}
  std::string path(std::string_view name) const { return io::join_path(directory_, name); }
  void damaged(std::string what);
  Status read_catalog();
  Status read_damaged_journal();
  void read_frame(std::uint64_t number, const std::vector<log::Entry>& entries);
  Status find_segments();
  Result<log::SegmentRef> open_segment(const std::string& name);
  log::FrameRange range_of(const std::string& name, std::uint64_t size) const;
  std::vector<log::Extent> readable_extents(const log::Segment& segment);
  Result<std::string> set_aside(const log::SegmentName& name, WallTime now);
  void check_names(const log::Segment& segment);
  Status walk_journal(const std::function<void(const FoundBatch&)>& visit);
  void walk_segments(const std::function<void(const FoundBatch&)>& visit);
  bool is_leftover(const log::Segment& segment) const;
  void note_hole(const Hole& hole, std::uint64_t after_frame, std::uint64_t before_frame);
  static std::uint64_t whole_behind(const log::Segment& segment, const log::Extent& extent,
                                    std::uint64_t from);
  void walk_extent(const log::Segment& segment, const log::Extent& extent,
                   const std::function<void(const FoundBatch&)>& visit);

  io::Disk& disk_;
  const std::string directory_;
  std::unique_ptr<io::FileLock> lock_;
  InspectionReport report_;
  std::atomic<bool> ended_ = false;
  bool frames_known_ = false;  // last_frame is the last of all
  std::optional<Snapshot> snapshot_;
  std::vector<log::SegmentRef> segments_;  // by ascending last frame
  std::vector<log::FrameRange> marks_;
  std::vector<log::MissingSegment> missing_;
  std::vector<log::FrameRange> unreadable_;     // segments that are there and can't be read whole
  std::optional<std::uint64_t> damage_before_;  // damages that were found before the first walk
};

}  // namespace spillway::engine
