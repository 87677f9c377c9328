// Writes one segment front to back (format: log/segment.h).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "io/disk.h"
#include "log/segment.h"
#include "log/segment_format.h"

namespace spillway::log {

// Keeps directory and index in memory until finish() (112 bytes for a shard with one block), and of
// the blocks at most about 1 MiB and the largest batch. Not thread-safe.
class SegmentWriter {
 public:
  // Begins NAME.new, in place of any leftover. Blocks of a segment above level 0 are larger, and
  // packed where that saves an eighth.
  static Result<std::unique_ptr<SegmentWriter>> create(io::Disk& disk, const std::string& directory,
                                                       FrameRange range, std::uint32_t level);
  // Removes what was not finished.
  ~SegmentWriter();
  SegmentWriter(const SegmentWriter&) = delete;
  SegmentWriter& operator=(const SegmentWriter&) = delete;

  // In the order of shards, then positions (assertion). After an error only the destructor may
  // follow, here and below.
  Status add(const Batch& batch);
  // Something must have been added. The segment, durable under its name.
  Result<SegmentRef> finish();

 private:
  SegmentWriter(io::Disk& disk, const std::string& directory, FrameRange range,
                std::uint32_t level);
  Status end_block();
  void end_extent();
  Status write_out();

  io::Disk& disk_;
  const std::string directory_path_;
  const std::string path_;
  const std::string fresh_path_;
  const FrameRange range_;
  const std::uint32_t level_;
  std::unique_ptr<io::File> file_;
  bool left_to_remove_ = false;  // fresh_path_ is there

  std::string out_;  // not written yet, of what begins at offset_
  std::uint64_t offset_ = 0;
  std::size_t block_at_ = 0;  // where in out_ the open block's batches begin; at its end: none
  IndexEntry block_entry_;
  std::optional<Extent> extent_;  // the open one
  std::string index_;
  std::string directory_;
  std::uint32_t index_count_ = 0;
  std::uint32_t shard_count_ = 0;
  std::int64_t last_arrival_ms_ = INT64_MIN;
  Packer packer_;
};

}  // namespace spillway::log
