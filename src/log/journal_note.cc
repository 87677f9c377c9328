#include "log/journal_note.h"

#include <fmt/format.h>

#include <charconv>

namespace spillway::log {

namespace {

constexpr std::string_view kSuffix = ".newest";
constexpr std::size_t kDigits = 16;

std::string note_path(const std::string& directory, const NewestFile& noted) {
  return io::join_path(directory, fmt::format("{:016x}-{:016x}-{:016x}{}", noted.epoch, noted.size,
                                              noted.after, kSuffix));
}

std::optional<std::uint64_t> parse(std::string_view digits) {
  if (digits.find_first_not_of("0123456789abcdef") != std::string_view::npos) return std::nullopt;
  std::uint64_t number = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
  return parsed.ec == std::errc() ? std::optional(number) : std::nullopt;
}

}  // namespace

std::optional<NewestFile> newest_of(std::string_view name) {
  if (name.size() != 3 * kDigits + 2 + kSuffix.size() || !name.ends_with(kSuffix) ||
      name[kDigits] != '-' || name[2 * kDigits + 1] != '-')
    return std::nullopt;
  const auto epoch = parse(name.substr(0, kDigits));
  const auto size = parse(name.substr(kDigits + 1, kDigits));
  const auto after = parse(name.substr(2 * kDigits + 2, kDigits));
  if (!epoch || !size || !after) return std::nullopt;
  return NewestFile{*epoch, *size, *after};
}

Status note_newest(io::Disk& disk, const std::string& directory,
                   const std::optional<NewestFile>& before, const NewestFile& now) {
  if (before) {
    SPILLWAY_TRY(disk.rename(note_path(directory, *before), note_path(directory, now)));
  } else {
    SPILLWAY_TRY(disk.open(note_path(directory, now), io::OpenMode::kCreate));
  }
  // Out of space at a sync is as final as any other failure of it.
  if (auto synced = disk.sync_directory(directory); !synced.ok())
    return Error{ErrorCode::kIo, std::move(synced).error().message};
  return {};
}

Status forget_newest(io::Disk& disk, const std::string& directory, const NewestFile& noted) {
  SPILLWAY_TRY(disk.remove(note_path(directory, noted)));
  return disk.sync_directory(directory);
}

}  // namespace spillway::log
