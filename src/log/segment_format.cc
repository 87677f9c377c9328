#include "log/segment_format.h"

#include <zstd.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"

namespace spillway::log {

namespace {

constexpr std::string_view kMagic = "SPILLSEG";
constexpr std::string_view kEndMagic = "SPILLEND";
constexpr std::uint32_t kVersion = 1;
constexpr int kZstdLevel = 1;
constexpr std::size_t kFooterMagicAt = 56;
constexpr std::size_t kFooterVersionAt = 64;

// Closes the piece that begins at `from` with its checksum.
void append_crc(std::string& to, std::size_t from) {
  append_le(to, crc32c(std::string_view(to).substr(from)));
}

// Whether a piece ends with its checksum.
bool is_whole(std::string_view piece) {
  const std::size_t covered = piece.size() - sizeof(std::uint32_t);
  return crc32c(piece.substr(0, covered)) == load_le<std::uint32_t>(piece.data() + covered);
}

}  // namespace

std::string encode_segment_header() {
  std::string bytes(kMagic);
  append_le(bytes, kVersion);
  append_le(bytes, std::uint32_t{0});
  return bytes;
}

void append_index_entry(std::string& to, const IndexEntry& entry) {
  const std::size_t from = to.size();
  append_le(to, entry.first);
  append_le(to, entry.end);
  append_le(to, entry.first_arrival_ms);
  append_le(to, entry.last_arrival_ms);
  append_le(to, entry.offset);
  append_le(to, entry.size);
  append_le(to, entry.crc);
  append_le(to, entry.unpacked_size);
  append_crc(to, from);
}

void append_directory_entry(std::string& to, const Extent& extent) {
  const std::size_t from = to.size();
  append_le(to, extent.shard);
  append_le(to, extent.first);
  append_le(to, extent.end);
  append_le(to, extent.first_arrival_ms);
  append_le(to, extent.last_arrival_ms);
  append_le(to, extent.index_first);
  append_le(to, extent.index_count);
  append_le(to, std::uint32_t{0});
  append_crc(to, from);
}

void append_segment_footer(std::string& to, const SegmentFooter& footer) {
  const std::size_t from = to.size();
  append_le(to, footer.index_offset);
  append_le(to, footer.directory_offset);
  append_le(to, footer.index_count);
  append_le(to, footer.shard_count);
  append_le(to, footer.range.first);
  append_le(to, footer.range.last);
  append_le(to, footer.last_arrival_ms);
  append_le(to, footer.level);
  append_le(to, std::uint32_t{0});
  to += kEndMagic;
  append_le(to, kVersion);
  append_crc(to, from);
}

std::optional<IndexEntry> decode_index_entry(std::string_view bytes, const SegmentFooter& footer) {
  SPILLWAY_ASSERT(bytes.size() == kSegmentEntrySize);
  if (!is_whole(bytes)) return std::nullopt;
  ByteReader reader(bytes);
  IndexEntry entry;
  entry.first = reader.integer<std::uint64_t>();
  entry.end = reader.integer<std::uint64_t>();
  entry.first_arrival_ms = reader.integer<std::int64_t>();
  entry.last_arrival_ms = reader.integer<std::int64_t>();
  entry.offset = reader.integer<std::uint64_t>();
  entry.size = reader.integer<std::uint32_t>();
  entry.crc = reader.integer<std::uint32_t>();
  entry.unpacked_size = reader.integer<std::uint32_t>();
  if (entry.first >= entry.end || entry.first_arrival_ms > entry.last_arrival_ms ||
      entry.offset < kSegmentHeaderSize || entry.offset > footer.index_offset || entry.size == 0 ||
      entry.size > footer.index_offset - entry.offset || entry.size > kBlockSizeMax ||
      entry.unpacked_size > kBlockSizeMax)
    return std::nullopt;
  return entry;
}

std::optional<Extent> decode_directory_entry(std::string_view bytes, const SegmentFooter& footer) {
  SPILLWAY_ASSERT(bytes.size() == kSegmentEntrySize);
  if (!is_whole(bytes)) return std::nullopt;
  ByteReader reader(bytes);
  Extent extent;
  extent.shard = reader.integer<std::uint64_t>();
  extent.first = reader.integer<std::uint64_t>();
  extent.end = reader.integer<std::uint64_t>();
  extent.first_arrival_ms = reader.integer<std::int64_t>();
  extent.last_arrival_ms = reader.integer<std::int64_t>();
  extent.index_first = reader.integer<std::uint32_t>();
  extent.index_count = reader.integer<std::uint32_t>();
  if (extent.first >= extent.end || extent.first_arrival_ms > extent.last_arrival_ms ||
      extent.index_count == 0 || extent.index_first > footer.index_count ||
      extent.index_count > footer.index_count - extent.index_first)
    return std::nullopt;
  return extent;
}

Result<SegmentFooter> decode_segment_footer(std::string_view bytes, std::uint64_t file_size) {
  SPILLWAY_ASSERT(bytes.size() == kSegmentFooterSize);
  // The magic number and the version stand at the same distance from the end in every version.
  const auto version = load_le<std::uint32_t>(bytes.data() + kFooterVersionAt);
  const bool whole = is_whole(bytes);
  if (bytes.substr(kFooterMagicAt, kEndMagic.size()) != kEndMagic ||
      (!whole && version <= kVersion) || version == 0)
    return Error{ErrorCode::kCorrupt, "the footer is damaged"};
  if (version > kVersion) {
    return Error{ErrorCode::kUnsupported,
                 fmt::format("version {}; this build reads version {}: use a newer spillway",
                             version, kVersion)};
  }
  ByteReader reader(bytes);
  SegmentFooter footer;
  footer.index_offset = reader.integer<std::uint64_t>();
  footer.directory_offset = reader.integer<std::uint64_t>();
  footer.index_count = reader.integer<std::uint32_t>();
  footer.shard_count = reader.integer<std::uint32_t>();
  footer.range.first = reader.integer<std::uint64_t>();
  footer.range.last = reader.integer<std::uint64_t>();
  footer.last_arrival_ms = reader.integer<std::int64_t>();
  footer.level = reader.integer<std::uint32_t>();
  const std::uint64_t index_size = std::uint64_t{footer.index_count} * kSegmentEntrySize;
  const std::uint64_t directory_size = std::uint64_t{footer.shard_count} * kSegmentEntrySize;
  if (footer.index_offset < kSegmentHeaderSize || footer.index_offset > file_size ||
      footer.directory_offset != footer.index_offset + index_size ||
      file_size - kSegmentFooterSize != footer.directory_offset + directory_size ||
      footer.range.first > footer.range.last)
    return Error{ErrorCode::kCorrupt, "the footer does not fit the file"};
  return footer;
}

struct Packer::State {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ~State() { ZSTD_freeCCtx(context); }
};

Packer::Packer() = default;
Packer::~Packer() = default;

std::optional<std::string_view> Packer::pack(std::string_view block) {
  if (!state_) state_ = std::make_unique<State>();
  out_.resize(ZSTD_compressBound(block.size()));
  const std::size_t size = ZSTD_compressCCtx(state_->context, out_.data(), out_.size(),
                                             block.data(), block.size(), kZstdLevel);
  if (ZSTD_isError(size) != 0 || size > block.size() - block.size() / 8) return std::nullopt;
  return std::string_view(out_.data(), size);
}

struct Unpacker::State {
  ZSTD_DCtx* context = ZSTD_createDCtx();
  ~State() { ZSTD_freeDCtx(context); }
};

Unpacker::Unpacker() = default;
Unpacker::~Unpacker() = default;

bool Unpacker::unpack(std::string_view packed, std::span<char> to) {
  if (!state_) state_ = std::make_unique<State>();
  // One frame whose size is stated: several, or a skippable one, were never written.
  if (ZSTD_getFrameContentSize(packed.data(), packed.size()) != to.size() ||
      ZSTD_findFrameCompressedSize(packed.data(), packed.size()) != packed.size())
    return false;
  return ZSTD_decompressDCtx(state_->context, to.data(), to.size(), packed.data(), packed.size()) ==
         to.size();
}

}  // namespace spillway::log
