#include "log/journal_scan.h"

#include <optional>

#include "base/bytes.h"
#include "base/crc32c.h"

namespace spillway::log {

namespace {

constexpr std::string_view kSuffix = ".journal";
constexpr std::size_t kEpochAt = 8;  // in a frame's header

// The frame at `offset`, or nullopt. `header`: of the file, where it can be read.
Result<std::optional<ScannedFrame>> frame_at(io::File& file, std::uint64_t offset,
                                             std::uint64_t size,
                                             const std::optional<FileHeader>& header,
                                             std::uint64_t& space) {
  char bytes[kFrameHeaderSize];
  SPILLWAY_ASSIGN(const std::size_t got, file.read_at(offset, bytes));
  if (got < kFrameHeaderSize) return std::optional<ScannedFrame>();
  const std::string_view view(bytes, kFrameHeaderSize);
  ScannedFrame scanned;
  scanned.offset = offset;
  scanned.epoch = load_le<std::uint64_t>(bytes + kEpochAt);
  const auto frame = decode_unsalted_frame_header(scanned.epoch, view);
  if (!frame || offset + kFrameHeaderSize + frame->body_size > size)
    return std::optional<ScannedFrame>();
  auto body = SharedBytes::uninitialized(frame->body_size);
  SPILLWAY_ASSIGN(const std::size_t read,
                  file.read_at(offset + kFrameHeaderSize, {body.mutable_data(), frame->body_size}));
  if (read < frame->body_size || crc32c(body.view()) != frame->body_crc)
    return std::optional<ScannedFrame>();
  auto entries = decode_entries(body, frame->entries);
  if (!entries.ok()) return std::optional<ScannedFrame>();
  scanned.number = frame->number;
  scanned.leftover = !header || !decode_frame_header(*header, view);
  scanned.entries = *std::move(entries);
  space = frame_space(frame->body_size);
  return std::optional(std::move(scanned));
}

}  // namespace

Result<std::vector<std::string>> journal_paths(io::Disk& disk, const std::string& directory) {
  SPILLWAY_ASSIGN(const auto names, disk.list(directory));
  std::vector<std::string> paths;
  for (const auto& name : names)
    if (name.ends_with(kSuffix)) paths.push_back(io::join_path(directory, name));
  return paths;
}

Status scan_journal_file(io::Disk& disk, const std::string& path,
                         const std::function<void(const ScannedFrame&)>& visit) {
  SPILLWAY_ASSIGN(auto file, disk.open(path, io::OpenMode::kRead));
  SPILLWAY_ASSIGN(const std::uint64_t size, file->size());
  std::string first(kFileHeaderSize, '\0');
  SPILLWAY_ASSIGN(const std::size_t got, file->read_at(0, first));
  const auto decoded = decode_file_header(std::string_view(first).substr(0, got));
  const auto header = decoded.ok() ? std::optional(*decoded) : std::nullopt;
  for (std::uint64_t offset = kFileHeaderSize; offset + kFrameHeaderSize <= size;) {
    std::uint64_t space = kSectorSize;
    SPILLWAY_ASSIGN(const auto frame, frame_at(*file, offset, size, header, space));
    if (frame) visit(*frame);
    offset += space;
  }
  return {};
}

}  // namespace spillway::log
