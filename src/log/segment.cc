#include "log/segment.h"

#include <algorithm>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "log/segment_format.h"

namespace spillway::log {

namespace {

constexpr std::size_t kReadSize = std::size_t{4} << 20;
// Entries that are fetched at once: 3.5 KiB take as long as one of 56 bytes.
constexpr std::uint32_t kEntriesAtOnce = 64;
constexpr std::uint32_t kExtentsAtOnce = 4096;

}  // namespace

// What a read still has to deliver.
struct Segment::Wanted {
  std::uint64_t shard = 0;
  std::uint64_t from = 0;
  std::uint64_t records = 0;
  std::size_t bytes = 0;

  bool satisfied() const { return records == 0 || bytes == 0; }
  void take(std::uint64_t first, std::uint64_t end, std::size_t size) {
    const std::uint64_t taken = end - std::max(first, from);
    records -= std::min(records, taken);
    bytes -= std::min(bytes, size);
  }
};

std::string segment_path(const std::string& directory, FrameRange range) {
  return io::join_path(directory, fmt::format("{:016x}{}", range.last, kSegmentSuffix));
}

Error Segment::damaged(std::uint64_t offset, std::string_view what) const {
  return {ErrorCode::kCorrupt, fmt::format("{}, byte {}: {} is damaged; restore the file from a "
                                           "backup",
                                           path_, offset, what)};
}

Status Segment::read_exactly(std::uint64_t offset, std::span<char> out) const {
  SPILLWAY_ASSIGN(const std::size_t got, file_->read_at(offset, out));
  if (got < out.size()) return damaged(offset + got, "the end of the file");
  return {};
}

Result<SegmentRef> Segment::open(io::Disk& disk, const std::string& path) {
  std::shared_ptr<Segment> segment(new Segment);
  segment->path_ = path;
  SPILLWAY_ASSIGN(segment->file_, disk.open(path, io::OpenMode::kRead));
  SPILLWAY_ASSIGN(segment->size_, segment->file_->size());
  if (segment->size_ < kSegmentHeaderSize + kSegmentFooterSize)
    return segment->damaged(segment->size_, "the end of the file");
  char bytes[kSegmentFooterSize];
  const std::uint64_t offset = segment->size_ - kSegmentFooterSize;
  SPILLWAY_TRY(segment->read_exactly(offset, bytes));
  auto footer = decode_segment_footer({bytes, kSegmentFooterSize}, segment->size_);
  if (!footer.ok()) {
    return context(fmt::format("{}, byte {}", path, offset), std::move(footer).error());
  }
  segment->range_ = footer->range;
  segment->level_ = footer->level;
  segment->last_arrival_ms_ = footer->last_arrival_ms;
  segment->index_offset_ = footer->index_offset;
  segment->directory_offset_ = footer->directory_offset;
  segment->index_count_ = footer->index_count;
  segment->shard_count_ = footer->shard_count;
  return SegmentRef(std::move(segment));
}

// The directory ends where the footer begins. Its last entry tells how many index entries there
// are, and its first one is that of which the index entries are the first: so both are found
// backwards.
Result<SegmentRef> Segment::open_without_footer(io::Disk& disk, const std::string& path,
                                                FrameRange range) {
  std::shared_ptr<Segment> segment(new Segment);
  segment->path_ = path;
  segment->range_ = range;
  SPILLWAY_ASSIGN(segment->file_, disk.open(path, io::OpenMode::kRead));
  SPILLWAY_ASSIGN(segment->size_, segment->file_->size());
  const std::uint64_t smallest = kSegmentHeaderSize + kSegmentEntrySize;
  if (segment->size_ < smallest + kSegmentFooterSize)
    return segment->damaged(segment->size_, "the end of the file");
  std::uint64_t offset = segment->size_ - kSegmentFooterSize;
  std::optional<Extent> behind;
  do {
    if (offset < smallest) return segment->damaged(offset, "the directory");
    offset -= kSegmentEntrySize;
    char bytes[kSegmentEntrySize];
    SPILLWAY_TRY(segment->read_exactly(offset, bytes));
    const auto extent =
        decode_directory_entry({bytes, kSegmentEntrySize}, {.index_count = UINT32_MAX});
    if (!extent || (behind && (extent->shard >= behind->shard ||
                               extent->index_first + extent->index_count != behind->index_first)))
      return segment->damaged(offset, "a directory entry");
    if (!behind) segment->index_count_ = extent->index_first + extent->index_count;
    segment->last_arrival_ms_ = std::max(segment->last_arrival_ms_, extent->last_arrival_ms);
    ++segment->shard_count_;
    behind = extent;
  } while (behind->index_first > 0);
  const std::uint64_t index_size = std::uint64_t{segment->index_count_} * kSegmentEntrySize;
  if (index_size > offset - kSegmentHeaderSize) return segment->damaged(offset, "the directory");
  segment->directory_offset_ = offset;
  segment->index_offset_ = offset - index_size;
  return SegmentRef(std::move(segment));
}

Result<std::vector<Extent>> Segment::extents(std::uint32_t first, std::uint32_t max) const {
  SPILLWAY_ASSERT(first <= shard_count_);
  const SegmentFooter bounds{.index_count = index_count_};
  std::uint32_t left = std::min(max, shard_count_ - first);
  std::vector<Extent> extents;
  extents.reserve(left);
  std::string bytes;
  while (left > 0) {
    const std::uint32_t count = std::min(left, kExtentsAtOnce);
    const std::uint64_t offset = directory_offset_ + std::uint64_t{first} * kSegmentEntrySize;
    bytes.resize(count * kSegmentEntrySize);
    SPILLWAY_TRY(read_exactly(offset, bytes));
    for (std::size_t at = 0; at < bytes.size(); at += kSegmentEntrySize) {
      const auto extent =
          decode_directory_entry(std::string_view(bytes).substr(at, kSegmentEntrySize), bounds);
      if (!extent || (!extents.empty() && extents.back().shard >= extent->shard))
        return damaged(offset + at, "a directory entry");
      extents.push_back(*extent);
    }
    first += count;
    left -= count;
  }
  return extents;
}

Result<std::optional<Extent>> Segment::find(std::uint64_t shard) const {
  std::uint32_t low = 0;
  std::uint32_t high = shard_count_;
  while (high - low > kEntriesAtOnce) {
    const std::uint32_t middle = low + (high - low) / 2;
    SPILLWAY_ASSIGN(const auto one, extents(middle, 1));
    if (one.front().shard <= shard) low = middle;
    if (one.front().shard > shard) high = middle;
  }
  SPILLWAY_ASSIGN(const auto rest, extents(low, high - low));
  const auto found = std::ranges::lower_bound(rest, shard, {}, &Extent::shard);
  if (found == rest.end() || found->shard != shard) return std::optional<Extent>();
  return std::optional(*found);
}

Result<std::vector<IndexEntry>> Segment::index_entries(std::uint32_t first,
                                                       std::uint32_t count) const {
  const SegmentFooter bounds{.index_offset = index_offset_};
  const std::uint64_t offset = index_offset_ + std::uint64_t{first} * kSegmentEntrySize;
  std::string bytes(count * kSegmentEntrySize, '\0');
  SPILLWAY_TRY(read_exactly(offset, bytes));
  std::vector<IndexEntry> entries;
  entries.reserve(count);
  for (std::size_t at = 0; at < bytes.size(); at += kSegmentEntrySize) {
    const auto entry =
        decode_index_entry(std::string_view(bytes).substr(at, kSegmentEntrySize), bounds);
    if (!entry || (!entries.empty() && entries.back().end > entry->first))
      return damaged(offset + at, "an index entry");
    entries.push_back(*entry);
  }
  return entries;
}

template <typename Reached>
Result<std::uint32_t> Segment::search(const Extent& extent, Reached reached) const {
  std::uint32_t low = extent.index_first;
  std::uint32_t high = extent.index_first + extent.index_count;
  while (high - low > kEntriesAtOnce) {
    const std::uint32_t middle = low + (high - low) / 2;
    SPILLWAY_ASSIGN(const auto one, index_entries(middle, 1));
    if (reached(one.front())) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  SPILLWAY_ASSIGN(const auto rest, index_entries(low, high - low));
  const auto found = std::ranges::find_if(rest, reached);
  return low + static_cast<std::uint32_t>(found - rest.begin());
}

// The entries from `first` on, before `end`, whose blocks one read should fetch.
Result<std::vector<IndexEntry>> Segment::run_of(std::uint32_t first, std::uint32_t end,
                                                const Wanted& wanted) const {
  // How many blocks are needed is known once their entries are there: few at first.
  Wanted left = wanted;
  left.bytes = std::min(left.bytes, kReadSize);
  std::vector<IndexEntry> run;
  for (std::uint32_t count = 4; first < end && !left.satisfied(); count = kEntriesAtOnce) {
    SPILLWAY_ASSIGN(const auto entries, index_entries(first, std::min(count, end - first)));
    for (const IndexEntry& entry : entries) {
      if (left.satisfied()) break;
      if (!run.empty() &&
          (entry.first < run.back().end || entry.offset != run.back().offset + run.back().size))
        return damaged(index_offset_ + std::uint64_t{first} * kSegmentEntrySize, "an index entry");
      if (entry.end > left.from) left.take(entry.first, entry.end, entry.plain_size());
      run.push_back(entry);
      ++first;
    }
  }
  return run;
}

// The batches of all blocks of `run`, which stand one behind the other.
Result<SharedBytes> Segment::load(std::span<const IndexEntry> run) const {
  std::size_t stored_size = 0;
  std::size_t plain_size = 0;
  bool packed = false;
  for (const IndexEntry& entry : run) {
    stored_size += entry.size;
    plain_size += entry.plain_size();
    packed = packed || entry.unpacked_size != 0;
  }
  SharedBytes stored = SharedBytes::uninitialized(stored_size);
  SPILLWAY_TRY(read_exactly(run.front().offset, {stored.mutable_data(), stored_size}));
  std::string_view rest = stored.view();
  for (const IndexEntry& entry : run) {
    if (crc32c(rest.substr(0, entry.size)) != entry.crc) return damaged(entry.offset, "a block");
    rest.remove_prefix(entry.size);
  }
  if (!packed) return stored;
  SharedBytes plain = SharedBytes::uninitialized(plain_size);
  Unpacker unpacker;
  rest = stored.view();
  char* to = plain.mutable_data();
  for (const IndexEntry& entry : run) {
    const std::string_view block = rest.substr(0, entry.size);
    if (entry.unpacked_size == 0) {
      std::ranges::copy(block, to);
    } else if (!unpacker.unpack(block, {to, entry.unpacked_size})) {
      return damaged(entry.offset, "a block");
    }
    rest.remove_prefix(entry.size);
    to += entry.plain_size();
  }
  return plain;
}

// What is wanted of the batches of `block`.
Status Segment::append_batches(const IndexEntry& entry, std::string_view block,
                               const SharedBytes& owner, Wanted& wanted,
                               std::vector<Batch>& out) const {
  ByteReader reader(block);
  std::uint64_t end = entry.first;
  std::int64_t arrival_ms = entry.first_arrival_ms;
  while (!reader.rest().empty()) {
    Batch batch;
    batch.shard = wanted.shard;
    batch.count = reader.integer<std::uint32_t>();
    batch.first = reader.integer<std::uint64_t>();
    batch.arrival_ms = reader.integer<std::int64_t>();
    batch.payload = reader.prefixed();
    if (!reader.ok() || batch.count == 0 || batch.first < end || batch.first >= entry.end ||
        batch.count > entry.end - batch.first || batch.arrival_ms < arrival_ms ||
        batch.arrival_ms > entry.last_arrival_ms)
      return damaged(entry.offset, "a block");
    end = batch.end();
    arrival_ms = batch.arrival_ms;
    if (end <= wanted.from) continue;
    wanted.take(batch.first, end, batch.payload.size());
    batch.owner = owner;
    out.push_back(std::move(batch));
    if (wanted.satisfied()) return {};
  }
  return {};
}

Status Segment::read(const Extent& extent, std::uint64_t from, std::uint64_t max_records,
                     std::size_t max_bytes, std::vector<Batch>& out) const {
  SPILLWAY_ASSIGN(std::uint32_t number,
                  search(extent, [from](const IndexEntry& entry) { return entry.end > from; }));
  const std::uint32_t index_end = extent.index_first + extent.index_count;
  Wanted wanted{extent.shard, from, max_records, max_bytes};
  std::uint64_t end = extent.first;
  while (number < index_end && !wanted.satisfied()) {
    SPILLWAY_ASSIGN(const auto run, run_of(number, index_end, wanted));
    if (run.front().first < end || run.back().end > extent.end)
      return damaged(index_offset_ + std::uint64_t{number} * kSegmentEntrySize, "an index entry");
    end = run.back().end;
    SPILLWAY_ASSIGN(const SharedBytes memory, load(run));
    std::string_view rest = memory.view();
    for (const IndexEntry& entry : run) {
      if (wanted.satisfied()) break;
      SPILLWAY_TRY(append_batches(entry, rest.substr(0, entry.plain_size()), memory, wanted, out));
      rest.remove_prefix(entry.plain_size());
    }
    number += static_cast<std::uint32_t>(run.size());
  }
  return {};
}

Result<std::optional<std::uint64_t>> Segment::find_by_time(const Extent& extent,
                                                           std::int64_t time_ms) const {
  SPILLWAY_ASSIGN(const std::uint32_t number, search(extent, [time_ms](const IndexEntry& entry) {
                    return entry.last_arrival_ms >= time_ms;
                  }));
  if (number == extent.index_first + extent.index_count) return std::optional<std::uint64_t>();
  SPILLWAY_ASSIGN(const auto entries, index_entries(number, 1));
  const IndexEntry& entry = entries.front();
  SPILLWAY_ASSIGN(const SharedBytes block, load(entries));
  std::vector<Batch> batches;
  Wanted all{extent.shard, 0, UINT64_MAX, SIZE_MAX};
  SPILLWAY_TRY(append_batches(entry, block.view(), block, all, batches));
  for (const auto& batch : batches)
    if (batch.arrival_ms >= time_ms) return std::optional(batch.first);
  return damaged(entry.offset, "a block");
}

}  // namespace spillway::log
