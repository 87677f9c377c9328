#include "log/segment.h"

#include <algorithm>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"

namespace spillway::log {

namespace {

constexpr std::string_view kMagic = "SPILLSEG";
constexpr std::string_view kEndMagic = "SPILLEND";
constexpr std::string_view kSuffix = ".segment";
constexpr std::string_view kNewSuffix = ".new";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kHeaderSize = 16;
constexpr std::size_t kEntrySize = 56;
constexpr std::size_t kFooterSize = 64;
constexpr std::size_t kBatchHeaderSize = 24;
constexpr std::size_t kBlockSize = 16 * 1024;
constexpr std::size_t kWriteSize = std::size_t{1} << 20;
constexpr std::size_t kReadSize = std::size_t{4} << 20;

void append_entry_crc(std::string& to) {
  append_le(to, std::uint32_t{0});
  append_le(to, crc32c(std::string_view(to).substr(to.size() - (kEntrySize - 4))));
}

bool entry_is_whole(std::string_view entry) {
  return crc32c(entry.substr(0, kEntrySize - 4)) ==
         load_le<std::uint32_t>(entry.data() + kEntrySize - 4);
}

// Writes one segment front to back.
class SegmentWriter {
 public:
  SegmentWriter(io::File& file, FrameRange range) : file_(file), range_(range) {
    out_ = kMagic;
    append_le(out_, kVersion);
    append_le(out_, std::uint32_t{0});
  }

  Status add(const Batch& batch) {
    if (block_start_ && (batch.shard != extent_.shard || block_size() >= kBlockSize)) end_block();
    if (extent_.index_count > 0 && batch.shard != extent_.shard) end_extent();
    if (!block_start_) {
      block_start_ = offset_ + out_.size();
      block_ = {batch.first, batch.end(), batch.arrival_ms, batch.arrival_ms};
      block_crc_ = 0;
      if (extent_.index_count == 0) {
        SPILLWAY_ASSERT(directory_.empty() || extent_.shard < batch.shard);
        extent_ = {batch.shard,
                   batch.first,
                   batch.end(),
                   batch.arrival_ms,
                   batch.arrival_ms,
                   index_entries_,
                   0};
      }
    }
    const std::size_t at = out_.size();
    append_le(out_, batch.count);
    append_le(out_, batch.first);
    append_le(out_, batch.arrival_ms);
    append_le(out_, static_cast<std::uint32_t>(batch.payload.size()));
    out_ += batch.payload;
    block_crc_ = crc32c(std::string_view(out_).substr(at), block_crc_);
    block_.end = extent_.end = batch.end();
    block_.last_arrival_ms = extent_.last_arrival_ms = batch.arrival_ms;
    last_arrival_ms_ = std::max(last_arrival_ms_, batch.arrival_ms);
    return out_.size() >= kWriteSize ? write_out() : Status();
  }

  Status finish() {
    end_block();
    end_extent();
    const std::uint64_t index_offset = offset_ + out_.size();
    const std::uint64_t directory_offset = index_offset + index_.size();
    out_ += index_;
    out_ += directory_;
    const std::size_t footer = out_.size();
    append_le(out_, index_offset);
    append_le(out_, directory_offset);
    append_le(out_, index_entries_);
    append_le(out_, static_cast<std::uint32_t>(directory_.size() / kEntrySize));
    append_le(out_, range_.first);
    append_le(out_, range_.last);
    append_le(out_, last_arrival_ms_);
    out_ += kEndMagic;
    append_le(out_, kVersion);
    append_le(out_, crc32c(std::string_view(out_).substr(footer)));
    SPILLWAY_TRY(write_out());
    return file_.sync_data();
  }

 private:
  std::uint64_t block_size() const { return offset_ + out_.size() - *block_start_; }

  void end_block() {
    if (!block_start_) return;
    append_le(index_, block_.first);
    append_le(index_, block_.end);
    append_le(index_, block_.first_arrival_ms);
    append_le(index_, block_.last_arrival_ms);
    append_le(index_, *block_start_);
    append_le(index_, static_cast<std::uint32_t>(block_size()));
    append_le(index_, block_crc_);
    append_entry_crc(index_);
    ++index_entries_;
    ++extent_.index_count;
    block_start_.reset();
  }

  void end_extent() {
    append_le(directory_, extent_.shard);
    append_le(directory_, extent_.first);
    append_le(directory_, extent_.end);
    append_le(directory_, extent_.first_arrival_ms);
    append_le(directory_, extent_.last_arrival_ms);
    append_le(directory_, extent_.index_first);
    append_le(directory_, extent_.index_count);
    append_entry_crc(directory_);
    extent_.index_count = 0;
  }

  Status write_out() {
    SPILLWAY_TRY(file_.write_at(offset_, out_));
    offset_ += out_.size();
    out_.clear();
    return {};
  }

  struct Block {
    std::uint64_t first = 0;
    std::uint64_t end = 0;
    std::int64_t first_arrival_ms = 0;
    std::int64_t last_arrival_ms = 0;
  };

  io::File& file_;
  const FrameRange range_;
  std::string out_;  // not written yet, of what begins at offset_
  std::uint64_t offset_ = 0;
  std::string index_;
  std::string directory_;
  std::uint32_t index_entries_ = 0;
  std::int64_t last_arrival_ms_ = 0;
  Extent extent_;
  std::optional<std::uint64_t> block_start_;
  Block block_;
  std::uint32_t block_crc_ = 0;
};

}  // namespace

Status write_segment(io::Disk& disk, const std::string& directory, FrameRange range,
                     std::span<const Batch> batches) {
  SPILLWAY_ASSERT(!batches.empty());
  const std::string path = io::join_path(directory, fmt::format("{:016x}{}", range.last, kSuffix));
  const std::string fresh = path + std::string(kNewSuffix);
  if (auto removed = disk.remove(fresh);
      !removed.ok() && removed.error().code != ErrorCode::kNotFound)
    return removed;
  Status written;
  {
    SPILLWAY_ASSIGN(auto file, disk.open(fresh, io::OpenMode::kCreate));
    SegmentWriter writer(*file, range);
    for (std::size_t i = 0; i < batches.size() && written.ok(); ++i)
      written = writer.add(batches[i]);
    if (written.ok()) written = writer.finish();
  }
  if (!written.ok()) {
    // The first error is the one to tell; a leftover goes at the next start.
    static_cast<void>(disk.remove(fresh).ok());
    return written;
  }
  SPILLWAY_TRY(disk.rename(fresh, path));
  return disk.sync_directory(directory);
}

struct Segment::IndexEntry {
  std::uint64_t first;
  std::uint64_t end;
  std::int64_t first_arrival_ms;
  std::int64_t last_arrival_ms;
  std::uint64_t offset;
  std::uint32_t size;
  std::uint32_t crc;
};

Error Segment::damaged(std::uint64_t offset, std::string_view what) const {
  return {ErrorCode::kCorrupt, fmt::format("{}, byte {}: {} is damaged", path_, offset, what)};
}

Status Segment::read_range(std::uint64_t offset, std::span<char> out) const {
  SPILLWAY_ASSIGN(const std::size_t got, file_->read_at(offset, out));
  if (got < out.size()) return damaged(offset + got, "the end of the file");
  return {};
}

Result<std::shared_ptr<const Segment>> Segment::open(io::Disk& disk, const std::string& path) {
  std::shared_ptr<Segment> segment(new Segment);
  segment->path_ = path;
  SPILLWAY_ASSIGN(segment->file_, disk.open(path, io::OpenMode::kRead));
  SPILLWAY_ASSIGN(segment->size_, segment->file_->size());
  if (segment->size_ < kHeaderSize + kFooterSize) return segment->damaged(0, "its length");
  char bytes[kFooterSize];
  const std::uint64_t footer_offset = segment->size_ - kFooterSize;
  SPILLWAY_TRY(segment->read_range(footer_offset, bytes));
  const std::string_view footer(bytes, kFooterSize);
  if (crc32c(footer.substr(0, kFooterSize - 4)) !=
          load_le<std::uint32_t>(bytes + kFooterSize - 4) ||
      footer.substr(48, 8) != kEndMagic)
    return segment->damaged(footer_offset, "the footer");
  ByteReader reader(footer);
  segment->index_offset_ = reader.integer<std::uint64_t>();
  segment->directory_offset_ = reader.integer<std::uint64_t>();
  segment->index_count_ = reader.integer<std::uint32_t>();
  segment->shard_count_ = reader.integer<std::uint32_t>();
  segment->range_.first = reader.integer<std::uint64_t>();
  segment->range_.last = reader.integer<std::uint64_t>();
  segment->last_arrival_ms_ = reader.integer<std::int64_t>();
  reader.take(kEndMagic.size());
  if (const auto version = reader.integer<std::uint32_t>(); version != kVersion) {
    return Error{ErrorCode::kUnsupported,
                 fmt::format("{} has version {}; this build reads version {}: use a newer spillway",
                             path, version, kVersion)};
  }
  if (segment->directory_offset_ !=
          segment->index_offset_ + std::uint64_t{segment->index_count_} * kEntrySize ||
      footer_offset !=
          segment->directory_offset_ + std::uint64_t{segment->shard_count_} * kEntrySize)
    return segment->damaged(footer_offset, "the footer");
  return std::shared_ptr<const Segment>(std::move(segment));
}

Result<Extent> Segment::extent_at(std::uint32_t number) const {
  const std::uint64_t offset = directory_offset_ + std::uint64_t{number} * kEntrySize;
  char bytes[kEntrySize];
  SPILLWAY_TRY(read_range(offset, bytes));
  if (!entry_is_whole({bytes, kEntrySize})) return damaged(offset, "a directory entry");
  ByteReader reader({bytes, kEntrySize});
  Extent extent;
  extent.shard = reader.integer<std::uint64_t>();
  extent.first = reader.integer<std::uint64_t>();
  extent.end = reader.integer<std::uint64_t>();
  extent.first_arrival_ms = reader.integer<std::int64_t>();
  extent.last_arrival_ms = reader.integer<std::int64_t>();
  extent.index_first = reader.integer<std::uint32_t>();
  extent.index_count = reader.integer<std::uint32_t>();
  if (std::uint64_t{extent.index_first} + extent.index_count > index_count_)
    return damaged(offset, "a directory entry");
  return extent;
}

Result<Segment::IndexEntry> Segment::index_at(std::uint32_t number) const {
  const std::uint64_t offset = index_offset_ + std::uint64_t{number} * kEntrySize;
  char bytes[kEntrySize];
  SPILLWAY_TRY(read_range(offset, bytes));
  if (!entry_is_whole({bytes, kEntrySize})) return damaged(offset, "an index entry");
  ByteReader reader({bytes, kEntrySize});
  IndexEntry entry{};
  entry.first = reader.integer<std::uint64_t>();
  entry.end = reader.integer<std::uint64_t>();
  entry.first_arrival_ms = reader.integer<std::int64_t>();
  entry.last_arrival_ms = reader.integer<std::int64_t>();
  entry.offset = reader.integer<std::uint64_t>();
  entry.size = reader.integer<std::uint32_t>();
  entry.crc = reader.integer<std::uint32_t>();
  if (entry.offset + entry.size > index_offset_) return damaged(offset, "an index entry");
  return entry;
}

Result<std::optional<Extent>> Segment::find(std::uint64_t shard) const {
  std::uint32_t low = 0;
  std::uint32_t high = shard_count_;
  while (low < high) {
    const std::uint32_t middle = low + (high - low) / 2;
    SPILLWAY_ASSIGN(const Extent extent, extent_at(middle));
    if (extent.shard == shard) return std::optional(extent);
    (extent.shard < shard ? low : high) = extent.shard < shard ? middle + 1 : middle;
  }
  return std::optional<Extent>();
}

Result<std::vector<Extent>> Segment::extents() const {
  std::vector<Extent> all;
  for (std::uint32_t i = 0; i < shard_count_; ++i) {
    SPILLWAY_ASSIGN(const Extent extent, extent_at(i));
    all.push_back(extent);
  }
  return all;
}

template <typename Reached>
Result<std::uint32_t> Segment::search(const Extent& extent, Reached reached) const {
  std::uint32_t low = extent.index_first;
  std::uint32_t high = extent.index_first + extent.index_count;
  while (low < high) {
    const std::uint32_t middle = low + (high - low) / 2;
    SPILLWAY_ASSIGN(const IndexEntry entry, index_at(middle));
    (reached(entry) ? high : low) = reached(entry) ? middle : middle + 1;
  }
  return low;
}

Status Segment::read(const Extent& extent, std::uint64_t from, std::uint32_t max_records,
                     std::size_t max_bytes, std::vector<Batch>& out) const {
  SPILLWAY_ASSIGN(std::uint32_t number,
                  search(extent, [from](const IndexEntry& entry) { return entry.end > from; }));
  const std::uint32_t index_end = extent.index_first + extent.index_count;
  std::uint64_t records = 0;
  std::size_t bytes = 0;
  while (number < index_end && records < max_records && bytes < max_bytes) {
    // Blocks of a shard stand one behind the other: one read takes as many as are wanted.
    std::vector<IndexEntry> blocks;
    std::size_t size = 0;
    while (number < index_end &&
           (blocks.empty() || size < std::min(kReadSize, max_bytes - bytes))) {
      SPILLWAY_ASSIGN(const IndexEntry entry, index_at(number));
      if (!blocks.empty() && entry.offset != blocks.front().offset + size)
        return damaged(entry.offset, "the order of blocks");
      blocks.push_back(entry);
      size += entry.size;
      ++number;
    }
    SharedBytes memory = SharedBytes::uninitialized(size);
    SPILLWAY_TRY(read_range(blocks.front().offset, {memory.mutable_data(), size}));
    std::string_view rest = memory.view();
    for (const auto& entry : blocks) {
      const std::string_view block = rest.substr(0, entry.size);
      rest.remove_prefix(entry.size);
      if (crc32c(block) != entry.crc) return damaged(entry.offset, "a block");
      ByteReader reader(block);
      while (reader.ok() && !reader.rest().empty() && records < max_records && bytes < max_bytes) {
        Batch batch;
        batch.shard = extent.shard;
        batch.count = reader.integer<std::uint32_t>();
        batch.first = reader.integer<std::uint64_t>();
        batch.arrival_ms = reader.integer<std::int64_t>();
        batch.payload = reader.prefixed();
        if (!reader.ok()) return damaged(entry.offset, "a block");
        if (batch.end() <= from) continue;
        batch.owner = memory;
        records += batch.end() - std::max(batch.first, from);
        bytes += batch.payload.size();
        out.push_back(std::move(batch));
      }
    }
  }
  return {};
}

Result<std::optional<std::uint64_t>> Segment::find_by_time(const Extent& extent,
                                                           std::int64_t time_ms) const {
  SPILLWAY_ASSIGN(const std::uint32_t number, search(extent, [time_ms](const IndexEntry& entry) {
                    return entry.last_arrival_ms >= time_ms;
                  }));
  if (number == extent.index_first + extent.index_count) return std::optional<std::uint64_t>();
  SPILLWAY_ASSIGN(const IndexEntry entry, index_at(number));
  std::vector<Batch> batches;
  SPILLWAY_TRY(read(extent, entry.first, UINT32_MAX, entry.size, batches));
  for (const auto& batch : batches)
    if (batch.arrival_ms >= time_ms) return std::optional(batch.first);
  return damaged(entry.offset, "a block");
}

Result<std::vector<std::shared_ptr<const Segment>>> open_segments(io::Disk& disk,
                                                                  const std::string& directory) {
  std::vector<std::shared_ptr<const Segment>> segments;
  SPILLWAY_ASSIGN(const auto names, disk.list(directory));
  for (const auto& name : names) {
    const std::string path = io::join_path(directory, name);
    if (name.ends_with(kNewSuffix)) {
      SPILLWAY_TRY(disk.remove(path));
    } else if (name.ends_with(kSuffix)) {
      SPILLWAY_ASSIGN(auto segment, Segment::open(disk, path));
      segments.push_back(std::move(segment));
    }
  }
  return segments;
}

}  // namespace spillway::log
