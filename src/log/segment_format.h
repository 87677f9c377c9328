// The pieces of a segment file as bytes (log/segment.h says where they stand). Shared by its writer
// and its reader.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "log/segment.h"

namespace spillway::log {

inline constexpr std::string_view kSegmentSuffix = ".segment";
inline constexpr std::string_view kNewSuffix = ".new";
inline constexpr std::size_t kSegmentHeaderSize = 16;
inline constexpr std::size_t kSegmentFooterSize = 72;
inline constexpr std::size_t kSegmentEntrySize = 56;  // of the index and of the directory
inline constexpr std::size_t kBlockBatchHeaderSize = 24;
// No block is larger, in the file or unpacked: bounds what a reader allocates. A batch stems from
// one frame of the journal, whose files hold 64 MiB.
inline constexpr std::size_t kBlockSizeMax = std::size_t{128} << 20;

struct IndexEntry {
  std::uint64_t first = 0;  // positions [first, end)
  std::uint64_t end = 0;
  std::int64_t first_arrival_ms = 0;
  std::int64_t last_arrival_ms = 0;
  std::uint64_t offset = 0;
  std::uint32_t size = 0;
  std::uint32_t crc = 0;
  std::uint32_t unpacked_size = 0;  // 0: not packed

  // Of its batches.
  std::uint32_t plain_size() const { return unpacked_size == 0 ? size : unpacked_size; }
};

struct SegmentFooter {
  std::uint64_t index_offset = 0;
  std::uint64_t directory_offset = 0;
  std::uint32_t index_count = 0;
  std::uint32_t shard_count = 0;
  FrameRange range;
  std::int64_t last_arrival_ms = 0;
  std::uint32_t level = 0;
};

std::string encode_segment_header();
void append_index_entry(std::string& to, const IndexEntry& entry);
void append_directory_entry(std::string& to, const Extent& extent);
void append_segment_footer(std::string& to, const SegmentFooter& footer);

// Each takes exactly the piece's size. nullopt: the checksum is wrong, or the numbers contradict
// each other or the footer.
std::optional<IndexEntry> decode_index_entry(std::string_view bytes, const SegmentFooter& footer);
std::optional<Extent> decode_directory_entry(std::string_view bytes, const SegmentFooter& footer);
// `file_size`: of the whole file. The errors name neither file nor offset.
Result<SegmentFooter> decode_segment_footer(std::string_view bytes, std::uint64_t file_size);

// zstd, level 1. Keeps its working memory from one call to the next.
class Packer {
 public:
  Packer();
  ~Packer();
  Packer(const Packer&) = delete;
  Packer& operator=(const Packer&) = delete;

  // The packed block, a view until the next call; nullopt where it would not be at least an eighth
  // smaller.
  std::optional<std::string_view> pack(std::string_view block);

 private:
  struct State;
  std::unique_ptr<State> state_;
  std::string out_;
};

class Unpacker {
 public:
  Unpacker();
  ~Unpacker();
  Unpacker(const Unpacker&) = delete;
  Unpacker& operator=(const Unpacker&) = delete;

  // Fills `to`; false unless `packed` is one zstd frame of exactly that many bytes.
  bool unpack(std::string_view packed, std::span<char> to);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace spillway::log
