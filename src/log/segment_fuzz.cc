// Arbitrary bytes as a segment: an error or batches that fit the file, always. The bytes are read
// as they are, and then with every checksum made right, so that what stands behind checksums is
// reached too.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "log/crash_disk.h"
#include "log/segment.h"
#include "log/segment_format.h"

namespace {

using namespace spillway;
using namespace spillway::log;

constexpr std::uint32_t kExtentsRead = 16;

void seal(std::string& bytes, std::size_t from, std::size_t size) {
  store_le(bytes.data() + from + size - 4, crc32c(std::string_view(bytes).substr(from, size - 4)));
}

// Gives the pieces of the file the checksums (and the footer the place) that they should have.
void make_checksums_right(std::string& bytes) {
  if (bytes.size() < kSegmentHeaderSize + kSegmentFooterSize) return;
  const std::size_t footer = bytes.size() - kSegmentFooterSize;
  char* const at = bytes.data() + footer;
  const std::size_t room = (footer - kSegmentHeaderSize) / kSegmentEntrySize;
  const std::size_t shards = load_le<std::uint32_t>(at + 20) % (room + 1);
  const std::size_t blocks = load_le<std::uint32_t>(at + 16) % (room - shards + 1);
  const std::size_t directory = footer - shards * kSegmentEntrySize;
  const std::size_t index = directory - blocks * kSegmentEntrySize;
  std::string sealed;
  append_segment_footer(sealed, {.index_offset = index,
                                 .directory_offset = directory,
                                 .index_count = static_cast<std::uint32_t>(blocks),
                                 .shard_count = static_cast<std::uint32_t>(shards),
                                 .range = {1, 1},
                                 .last_arrival_ms = load_le<std::int64_t>(at + 40)});
  bytes.replace(footer, kSegmentFooterSize, sealed);
  for (std::size_t entry = index; entry < footer; entry += kSegmentEntrySize) {
    if (entry < directory) {
      const auto offset = load_le<std::uint64_t>(bytes.data() + entry + 32);
      const auto size = load_le<std::uint32_t>(bytes.data() + entry + 40);
      if (offset < index && size <= index - offset) {
        store_le(bytes.data() + entry + 44, crc32c(std::string_view(bytes).substr(offset, size)));
      }
    }
    seal(bytes, entry, kSegmentEntrySize);
  }
}

void read_everything(CrashDisk& disk) {
  const auto segment = Segment::open(disk, "segments/x");
  if (!segment.ok()) return;
  for (std::uint32_t i = 0; i < std::min((*segment)->shard_count(), kExtentsRead); ++i) {
    const auto extents = (*segment)->extents(i, 1);
    if (!extents.ok()) continue;
    const Extent& extent = extents->front();
    if (const auto found = (*segment)->find(extent.shard); found.ok() && *found)
      SPILLWAY_ASSERT((*found)->shard == extent.shard);
    std::vector<Batch> batches;
    const bool whole =
        (*segment)->read(extent, extent.first, 1'000, std::size_t{1} << 20, batches).ok();
    std::uint64_t end = extent.first;
    for (const Batch& batch : batches) {
      SPILLWAY_ASSERT(batch.shard == extent.shard && batch.count > 0 && batch.end() > end);
      SPILLWAY_ASSERT(batch.payload.data() >= batch.owner.view().data() &&
                      batch.payload.data() + batch.payload.size() <=
                          batch.owner.view().data() + batch.owner.size());
      end = batch.end();
    }
    if (!whole || batches.empty()) continue;
    const auto position = (*segment)->find_by_time(extent, batches.back().arrival_ms);
    SPILLWAY_ASSERT(!position.ok() || !*position || **position < UINT64_MAX);
  }
  const auto all = (*segment)->extents();
  SPILLWAY_ASSERT(!all.ok() || all->size() == (*segment)->shard_count());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  CrashDisk disk;
  disk.put("segments/x", bytes);
  read_everything(disk);
  make_checksums_right(bytes);
  disk.put("segments/x", bytes);
  read_everything(disk);
  return 0;
}
