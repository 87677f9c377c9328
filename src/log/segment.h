// A segment: what one or more journal files held, sorted by shard, in one immutable file.
//
// Format, version 1 (integers little-endian; also docs/formats/segment.md):
//   0   [8] "SPILLSEG", u32 version = 1, u32 zero
//   16  blocks of batches. All batches of a block are of one shard, in the order of their
//   positions;
//       a block is closed by the first batch that brings it to 16 KiB. Each batch:
//         u32 records, u64 first position, i64 arrival ms, u32 size of payload, payload
//   …   index: one entry a block, those of a shard together and in order (56 bytes):
//         u64 first position, u64 end position, i64 first arrival, i64 last arrival,
//         u64 offset, u32 size, u32 CRC32C of the block, u32 zero, u32 CRC32C of this entry's 52
//         bytes
//   …   directory: one entry a shard, by ascending shard (56 bytes):
//         u64 shard, u64 first position, u64 end position, i64 first arrival, i64 last arrival,
//         u32 first index entry, u32 index entries, u32 zero, u32 CRC32C of this entry's 52 bytes
//   end footer (64 bytes): u64 index offset, u64 directory offset, u32 index entries, u32 shards,
//         u64 first frame, u64 last frame, i64 last arrival, [8] "SPILLEND", u32 version,
//         u32 CRC32C of the footer's first 60 bytes
// The file's name is LASTFRAME.segment, 16 hexadecimal digits. A file without a valid footer was
// never part of the log: it is made as NAME.new and renamed when it is durable.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "io/disk.h"
#include "log/batch.h"

namespace spillway::log {

// Inclusive on both sides.
struct FrameRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};

// What a segment holds of one shard.
struct Extent {
  std::uint64_t shard = 0;
  std::uint64_t first = 0;
  std::uint64_t end = 0;
  std::int64_t first_arrival_ms = 0;
  std::int64_t last_arrival_ms = 0;
  std::uint32_t index_first = 0;
  std::uint32_t index_count = 0;
};

// Writes the segment of `range` from `batches`, sorted by shard, then position, and not empty, and
// makes it durable. On an error nothing is left; kNoSpace may be tried again.
Status write_segment(io::Disk& disk, const std::string& directory, FrameRange range,
                     std::span<const Batch> batches);

// Reads a segment. Thread-safe. Only the footer is kept in memory: extents and index are looked up
// in the file, so that a process with many segments starts at once and stays small.
class Segment {
 public:
  static Result<std::shared_ptr<const Segment>> open(io::Disk& disk, const std::string& path);

  FrameRange range() const { return range_; }
  std::int64_t last_arrival_ms() const { return last_arrival_ms_; }
  const std::string& path() const { return path_; }
  std::uint64_t size() const { return size_; }

  Result<std::optional<Extent>> find(std::uint64_t shard) const;
  Result<std::vector<Extent>> extents() const;
  // Appends the extent's batches that end behind `from`, until `max_records` or `max_bytes` of
  // payload are reached. They share blocks of memory.
  Status read(const Extent& extent, std::uint64_t from, std::uint32_t max_records,
              std::size_t max_bytes, std::vector<Batch>& out) const;
  // The first position of a batch that arrived at or after `time_ms`; nullopt if all came before.
  Result<std::optional<std::uint64_t>> find_by_time(const Extent& extent,
                                                    std::int64_t time_ms) const;

 private:
  struct IndexEntry;
  Segment() = default;
  Error damaged(std::uint64_t offset, std::string_view what) const;
  Result<Extent> extent_at(std::uint32_t number) const;
  Result<IndexEntry> index_at(std::uint32_t number) const;
  Status read_range(std::uint64_t offset, std::span<char> out) const;
  // The number of the first index entry of `extent` for which `reached` holds; one past the last if
  // it holds for none.
  template <typename Reached>
  Result<std::uint32_t> search(const Extent& extent, Reached reached) const;

  std::unique_ptr<io::File> file_;
  std::string path_;
  std::uint64_t size_ = 0;
  FrameRange range_;
  std::int64_t last_arrival_ms_ = 0;
  std::uint64_t index_offset_ = 0;
  std::uint64_t directory_offset_ = 0;
  std::uint32_t index_count_ = 0;
  std::uint32_t shard_count_ = 0;
};

// The segments of `directory`, by ascending frames. Leftovers of writes that were cut short are
// removed.
Result<std::vector<std::shared_ptr<const Segment>>> open_segments(io::Disk& disk,
                                                                  const std::string& directory);

}  // namespace spillway::log
