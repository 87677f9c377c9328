#include "io/disk.h"

namespace spillway::io {

Result<std::uint64_t> Disk::file_id(const std::string& path) {
  return Error{ErrorCode::kUnsupported, fmt::format("{}: this disk doesn't name its files", path)};
}

Result<std::string> read_file(Disk& disk, const std::string& path, std::size_t limit) {
  constexpr std::size_t kChunk = 64 * 1024;
  SPILLWAY_ASSIGN(auto file, disk.open(path, OpenMode::kRead));
  std::string bytes;
  // Not by size(): files of /proc say that they have none.
  while (true) {
    const std::size_t before = bytes.size();
    bytes.resize(before + kChunk);
    SPILLWAY_ASSIGN(const std::size_t got, file->read_at(before, std::span(bytes).subspan(before)));
    bytes.resize(before + got);
    if (bytes.size() > limit)
      return Error{ErrorCode::kInvalid, fmt::format("{} is larger than {} bytes", path, limit)};
    if (got < kChunk) return bytes;
  }
}

Status replace_file(Disk& disk, const std::string& path, std::string_view bytes) {
  const std::string fresh = path + ".new";
  if (auto removed = disk.remove(fresh);
      !removed.ok() && removed.error().code != ErrorCode::kNotFound)
    return removed;
  Status written;
  {
    SPILLWAY_ASSIGN(auto file, disk.open(fresh, OpenMode::kCreate));
    written = file->write_at(0, bytes);
    if (written.ok()) written = file->sync_data();
  }
  if (!written.ok()) {
    // The first error is the one to tell; the leftover is removed by the next call.
    static_cast<void>(disk.remove(fresh).ok());
    return written;
  }
  SPILLWAY_TRY(disk.rename(fresh, path));
  return disk.sync_directory(parent_directory(path));
}

std::string join_path(std::string_view directory, std::string_view name) {
  if (directory.empty()) return std::string(name);
  return fmt::format("{}{}{}", directory, directory.ends_with('/') ? "" : "/", name);
}

std::string parent_directory(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(path.substr(0, std::max<std::size_t>(slash, 1)));
}

}  // namespace spillway::io
