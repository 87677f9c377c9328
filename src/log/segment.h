// A segment: what one or more journal files held, sorted by shard, in one immutable file.
//
// Format, version 1 (integers little-endian; also docs/formats/segment.md):
//
// File, named LASTFRAME.segment (16 hexadecimal digits):
//   0    [8] "SPILLSEG"
//   8    u32 version = 1
//   12   u32 zero
//   16   blocks, then the index, the directory and the footer, with nothing in between
//
// Block: batches of one shard in the order of their positions, as they are or as one zstd frame.
// A block is closed by the batch that brings it to 16 KiB (64 KiB in a merged segment). Batch:
//   0    u32 records, > 0
//   4    u64 position of the first record
//   12   i64 arrival, milliseconds since 1970
//   20   u32 size of the payload
//   24   payload
//
// Index: one entry a block; those of a shard stand together, in the order of their positions:
//   0    u64 first position             8    u64 end position
//   16   i64 first arrival              24   i64 last arrival
//   32   u64 offset of the block        40   u32 its size in the file
//   44   u32 CRC32C of the block as it is in the file
//   48   u32 its size when unpacked from zstd; 0: it is not packed
//   52   u32 CRC32C of bytes 0 … 51
//
// Directory: one entry a shard (its extent), by ascending shard:
//   0    u64 shard
//   8    u64 first position             16   u64 end position
//   24   i64 first arrival              32   i64 last arrival
//   40   u32 first index entry          44   u32 index entries, > 0
//   48   u32 zero
//   52   u32 CRC32C of bytes 0 … 51
//
// Footer, the last 72 bytes:
//   0    u64 offset of the index        8    u64 offset of the directory
//   16   u32 index entries              20   u32 directory entries
//   24   u64 first frame                32   u64 last frame
//   40   i64 last arrival
//   48   u32 level: 0 from the journal, else one above the segments that it was merged from
//   52   u32 zero
//   56   [8] "SPILLEND"
//   64   u32 version = 1
//   68   u32 CRC32C of bytes 0 … 67
//
// Invariants:
// - A file takes part in the log when it bears its name: it is made as NAME.new, synced, renamed,
//   and its directory synced.
// - A merged segment covers the frames of the segments that it was made of, takes the name of the
//   last of them, and so replaces it; the others are removed after that is durable. A segment whose
//   frames another one covers is therefore a leftover.
// - Every byte that is read for an answer is under a checksum, which is verified first.
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

// Of journal frames; inclusive on both sides.
struct FrameRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;

  bool covers(const FrameRange& other) const { return first <= other.first && other.last <= last; }
  friend bool operator==(const FrameRange&, const FrameRange&) = default;
};

// What a segment is known by where it has to be there.
struct SegmentName {
  FrameRange range;
  std::uint64_t size = 0;  // of its file

  friend bool operator==(const SegmentName&, const SegmentName&) = default;
};

// What a segment holds of one shard.
struct Extent {
  std::uint64_t shard = 0;
  std::uint64_t first = 0;  // positions [first, end)
  std::uint64_t end = 0;
  std::int64_t first_arrival_ms = 0;
  std::int64_t last_arrival_ms = 0;
  std::uint32_t index_first = 0;
  std::uint32_t index_count = 0;
};

struct IndexEntry;
class Segment;
using SegmentRef = std::shared_ptr<const Segment>;

// DIRECTORY/LASTFRAME.segment.
std::string segment_path(const std::string& directory, FrameRange range);

// Writes the segment of `range` from `batches`, sorted by shard, then position, and not empty;
// makes it durable and opens it. On an error no part of it is left under its name (except when the
// directory could not be synced); kNoSpace may be tried again.
Result<SegmentRef> write_segment(io::Disk& disk, const std::string& directory, FrameRange range,
                                 std::span<const Batch> batches);

// Reads a segment; safe from any thread. Only the footer is kept in memory: directory and index are
// searched in the file, so that a process with many segments starts at once and stays small.
// Errors: kCorrupt (a checksum is wrong, or what stands under it makes no sense) and kIo, with the
// file and the offset. A removed or replaced file stays readable through an open Segment.
class Segment {
 public:
  // Reads the footer alone. kUnsupported: written by a newer version.
  static Result<SegmentRef> open(io::Disk& disk, const std::string& path);
  // For those who save what they can: of a file whose footer is damaged, with what its directory
  // tells instead; `range` is what is known of its frames. kCorrupt where that is damaged too, or
  // where the file is not as long as it was.
  static Result<SegmentRef> open_without_footer(io::Disk& disk, const std::string& path,
                                                FrameRange range);

  FrameRange range() const { return range_; }
  SegmentName name() const { return {range_, size_}; }
  std::uint32_t level() const { return level_; }
  std::int64_t last_arrival_ms() const { return last_arrival_ms_; }
  const std::string& path() const { return path_; }
  std::uint64_t size() const { return size_; }  // of the file
  std::uint32_t shard_count() const { return shard_count_; }
  // Takes it out of the system's page cache; readable as before.
  void drop_cache() const { file_->drop_cache(); }

  Result<std::optional<Extent>> find(std::uint64_t shard) const;
  // At most `max` extents in the order of their shards, from number `first` of shard_count() on.
  Result<std::vector<Extent>> extents(std::uint32_t first, std::uint32_t max) const;
  Result<std::vector<Extent>> extents() const { return extents(0, shard_count_); }
  // Appends the extent's batches that end behind `from`, up to and including the one that brings
  // them to `max_records` records (from `from` on) or `max_bytes` of payload. Batches that stand
  // together share one block of memory of about 4 MiB, read at once.
  Status read(const Extent& extent, std::uint64_t from, std::uint64_t max_records,
              std::size_t max_bytes, std::vector<Batch>& out) const;
  // The first position of a batch that arrived at or after `time_ms`; nullopt if all came before.
  Result<std::optional<std::uint64_t>> find_by_time(const Extent& extent,
                                                    std::int64_t time_ms) const;

 private:
  struct Wanted;
  Segment() = default;
  Error damaged(std::uint64_t offset, std::string_view what) const;
  Status read_exactly(std::uint64_t offset, std::span<char> out) const;
  // Index entries [first, first + count), whole and in bounds.
  Result<std::vector<IndexEntry>> index_entries(std::uint32_t first, std::uint32_t count) const;
  // The number of the first index entry of `extent` for which `reached` holds; one past the last if
  // it holds for none. It holds for every entry behind one for which it holds.
  template <typename Reached>
  Result<std::uint32_t> search(const Extent& extent, Reached reached) const;
  Result<std::vector<IndexEntry>> run_of(std::uint32_t first, std::uint32_t end,
                                         const Wanted& wanted) const;
  Result<SharedBytes> load(std::span<const IndexEntry> run) const;
  Status append_batches(const IndexEntry& entry, std::string_view block, const SharedBytes& owner,
                        Wanted& wanted, std::vector<Batch>& out) const;

  std::unique_ptr<io::File> file_;
  std::string path_;
  std::uint64_t size_ = 0;
  FrameRange range_;
  std::uint32_t level_ = 0;
  std::int64_t last_arrival_ms_ = 0;
  std::uint64_t index_offset_ = 0;
  std::uint64_t directory_offset_ = 0;
  std::uint32_t index_count_ = 0;
  std::uint32_t shard_count_ = 0;
};

}  // namespace spillway::log
