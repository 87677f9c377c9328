#include "log/frame.h"

#include <cstring>
#include <utility>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"

namespace spillway::log {

namespace {

constexpr std::string_view kFileMagic = "SPILLJNL";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kFileHeaderUsed = 36;
constexpr std::uint32_t kFrameMagic = 0x31465753;  // "SWF1"
constexpr std::size_t kHeaderCrcAt = 32;
constexpr char kZeros[kSectorSize] = {};

std::uint32_t salted_crc(const FileHeader& file, const char* header) {
  return crc32c({header, kHeaderCrcAt}, static_cast<std::uint32_t>(file.salt));
}

}  // namespace

std::string encode_file_header(const FileHeader& header) {
  std::string bytes(kFileMagic);
  append_le(bytes, kVersion);
  append_le(bytes, std::uint32_t{0});
  append_le(bytes, header.epoch);
  append_le(bytes, header.salt);
  append_le(bytes, crc32c(bytes));
  bytes.resize(kFileHeaderSize, '\0');
  return bytes;
}

Result<FileHeader> decode_file_header(std::string_view bytes) {
  if (bytes.size() < kFileHeaderUsed || !bytes.starts_with(kFileMagic))
    return Error{ErrorCode::kCorrupt, "not a journal file's header"};
  // Before the checksum: a newer version may have it elsewhere.
  if (const auto version = load_le<std::uint32_t>(bytes.data() + 8); version > kVersion)
    return Error{ErrorCode::kUnsupported, "journal version " + std::to_string(version) +
                                              "; this program knows version " +
                                              std::to_string(kVersion)};
  if (crc32c(bytes.substr(0, kFileHeaderUsed - 4)) !=
      load_le<std::uint32_t>(bytes.data() + kFileHeaderUsed - 4))
    return Error{ErrorCode::kCorrupt, "the header's checksum is wrong"};
  return FileHeader{load_le<std::uint64_t>(bytes.data() + 16),
                    load_le<std::uint64_t>(bytes.data() + 24)};
}

void encode_frame_header(const FileHeader& file, const FrameHeader& frame, char* to) {
  store_le(to, kFrameMagic);
  store_le(to + 4, frame.body_size);
  store_le(to + 8, file.epoch);
  store_le(to + 16, frame.number);
  store_le(to + 24, frame.body_crc);
  store_le(to + 28, frame.entries);
  store_le(to + kHeaderCrcAt, salted_crc(file, to));
}

std::optional<FrameHeader> decode_unsalted_frame_header(std::uint64_t epoch,
                                                        std::string_view bytes) {
  SPILLWAY_ASSERT(bytes.size() >= kFrameHeaderSize);
  const char* at = bytes.data();
  if (load_le<std::uint32_t>(at) != kFrameMagic || load_le<std::uint64_t>(at + 8) != epoch)
    return std::nullopt;
  FrameHeader frame;
  frame.body_size = load_le<std::uint32_t>(at + 4);
  frame.number = load_le<std::uint64_t>(at + 16);
  frame.body_crc = load_le<std::uint32_t>(at + 24);
  frame.entries = load_le<std::uint32_t>(at + 28);
  if (frame.body_size == 0 || frame.entries == 0) return std::nullopt;
  return frame;
}

std::optional<FrameHeader> decode_frame_header(const FileHeader& file, std::string_view bytes) {
  const auto frame = decode_unsalted_frame_header(file.epoch, bytes);
  const char* at = bytes.data();
  if (load_le<std::uint32_t>(at + kHeaderCrcAt) != salted_crc(file, at)) return std::nullopt;
  return frame;
}

void encode_entry_header(const Entry& entry, char* to) {
  store_le(to, static_cast<std::uint32_t>(entry.type));
  store_le(to + 4, entry.batch.count);
  store_le(to + 8, entry.batch.shard);
  store_le(to + 16, entry.batch.first);
  store_le(to + 24, entry.batch.arrival_ms);
  store_le(to + 32, static_cast<std::uint32_t>(entry.batch.payload.size()));
}

Result<std::vector<Entry>> decode_entries(const SharedBytes& body, std::uint32_t count) {
  ByteReader reader(body.view());
  std::vector<Entry> entries;
  entries.reserve(std::min<std::size_t>(count, body.size() / kEntryHeaderSize));
  while (reader.ok() && !reader.rest().empty()) {
    Entry entry;
    const auto type = reader.integer<std::uint32_t>();
    entry.batch.count = reader.integer<std::uint32_t>();
    entry.batch.shard = reader.integer<std::uint64_t>();
    entry.batch.first = reader.integer<std::uint64_t>();
    entry.batch.arrival_ms = reader.integer<std::int64_t>();
    entry.batch.payload = reader.prefixed();
    entry.batch.owner = body;
    const bool is_batch = type == static_cast<std::uint32_t>(EntryType::kBatch);
    const bool is_change = type == static_cast<std::uint32_t>(EntryType::kCatalogChange);
    if (!reader.ok() || (!is_batch && !is_change) || is_batch != (entry.batch.count > 0) ||
        (is_batch && entry.batch.first > UINT64_MAX - entry.batch.count))
      return Error{ErrorCode::kCorrupt, "malformed entry " + std::to_string(entries.size())};
    entry.type = static_cast<EntryType>(type);
    entries.push_back(std::move(entry));
  }
  if (entries.size() != count)
    return Error{ErrorCode::kCorrupt,
                 std::to_string(entries.size()) + " entries instead of " + std::to_string(count)};
  return entries;
}

std::span<const std::string_view> FrameBuilder::build(const FileHeader& file, std::uint64_t number,
                                                      std::span<const Entry> entries) {
  SPILLWAY_ASSERT(!entries.empty());
  headers_.resize(kFrameHeaderSize + entries.size() * kEntryHeaderSize);
  parts_.clear();
  parts_.emplace_back();
  FrameHeader frame{.number = number, .entries = static_cast<std::uint32_t>(entries.size())};
  std::uint64_t body_size = 0;
  char* at = headers_.data() + kFrameHeaderSize;
  for (const Entry& entry : entries) {
    encode_entry_header(entry, at);
    const std::string_view header(at, kEntryHeaderSize);
    frame.body_crc = crc32c(entry.batch.payload, crc32c(header, frame.body_crc));
    parts_.push_back(header);
    if (!entry.batch.payload.empty()) parts_.push_back(entry.batch.payload);
    body_size += entry.stored_size();
    at += kEntryHeaderSize;
  }
  SPILLWAY_ASSERT(body_size <= UINT32_MAX);
  frame.body_size = static_cast<std::uint32_t>(body_size);
  encode_frame_header(file, frame, headers_.data());
  parts_.front() = {headers_.data(), kFrameHeaderSize};
  size_ = frame_space(body_size);
  if (const auto padding = size_ - kFrameHeaderSize - body_size; padding > 0)
    parts_.emplace_back(kZeros, padding);
  return parts_;
}

}  // namespace spillway::log
