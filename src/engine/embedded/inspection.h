// A data directory, looked at while no process uses it: whether all that is stored is whole, and
// what kind of batches there are. Nothing in it is changed (but for DIR/lock, which names the
// process that looks).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "io/disk.h"
#include "log/batch.h"
#include "log/segment.h"
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
};

inline constexpr std::size_t kDamagesMax = 100;

class Inspection {
 public:
  // Locks the directory and reads snapshot, catalog and journal. kNotFound: no data directory;
  // kBusy: a process uses it. `disk` must outlive it.
  static Result<std::unique_ptr<Inspection>> open(io::Disk& disk, const std::string& directory);

  const InspectionReport& report() const { return report_; }
  // Whether ids are there once, and the open shards of each stream share out all hash keys: what
  // the service keeps to, and the engine doesn't ask for.
  void check_catalog();
  // Reads everything, calling `visit` for every batch; the report is complete then. Errors are the
  // disk's, of listing and opening; what can't be read further on counts as damage.
  Status walk(const std::function<void(const FoundBatch&)>& visit);

 private:
  Inspection(io::Disk& disk, std::string directory)
      : disk_(disk), directory_(std::move(directory)) {}
  std::string path(std::string_view name) const { return io::join_path(directory_, name); }
  void damaged(std::string what);
  Status read_catalog();
  Status walk_journal(const std::function<void(const FoundBatch&)>& visit);
  Status walk_segments(const std::function<void(const FoundBatch&)>& visit);
  void walk_extent(const log::Segment& segment, const log::Extent& extent,
                   const std::function<void(const FoundBatch&)>& visit);

  io::Disk& disk_;
  const std::string directory_;
  std::unique_ptr<io::FileLock> lock_;
  InspectionReport report_;
  bool frames_known_ = false;  // last_frame is the last of all
};

}  // namespace spillway::engine
