#include "broker/grant_files.h"

#include <fmt/format.h>

#include <optional>

namespace spillway::broker {
namespace {

constexpr std::string_view kGrantSuffix = ".grant";
constexpr std::string_view kRevocationSuffix = ".revocation";
constexpr std::size_t kFileBytesMax = kGrantTextMax + 64;  // and white space

constexpr std::string_view kSpace = " \t\r\n";

bool is_grant_file(std::string_view name) {
  return name.ends_with(kGrantSuffix) || name.ends_with(kRevocationSuffix);
}

// Adds what the file has; what is wrong with it.
Status read_file(io::Disk& disk, const std::string& path, GrantFiles& to) {
  SPILLWAY_ASSIGN(const auto text, io::read_file(disk, path, kFileBytesMax));
  if (path.ends_with(kGrantSuffix)) {
    SPILLWAY_ASSIGN(auto grant, parse_grant(text));
    to.grants.push_back(std::move(grant));
  } else {
    SPILLWAY_ASSIGN(auto revocation, parse_revocation(text));
    to.revocations.push_back(std::move(revocation));
  }
  return {};
}

Result<std::string> name_of(std::string_view text) {
  if (is_revocation(text)) {
    SPILLWAY_ASSIGN(const auto revocation, parse_revocation(text));
    return revocation.grant + std::string(kRevocationSuffix);
  }
  SPILLWAY_ASSIGN(const auto grant, parse_grant(text));
  return grant.id + std::string(kGrantSuffix);
}

}  // namespace

Result<GrantFiles> read_grant_files(io::Disk& disk, const std::string& directory) {
  GrantFiles files;
  auto names = disk.list(directory);
  if (!names.ok() && names.error().code == ErrorCode::kNotFound) return files;
  if (!names.ok()) return std::move(names).error();
  std::erase_if(*names, [](const std::string& name) { return !is_grant_file(name); });
  if (names->size() > kGrantFilesMax) {
    return Error{
        ErrorCode::kInvalid,
        fmt::format("{} has {} grants and revocations; {} are read at most: remove those that "
                    "have ended",
                    directory, names->size(), kGrantFilesMax)};
  }
  for (const auto& name : *names) {
    const std::string path = io::join_path(directory, name);
    if (auto read = read_file(disk, path, files); !read.ok())
      files.faults.push_back(context(path, std::move(read).error()).message);
  }
  return files;
}

Result<std::string> store_grant_file(io::Disk& disk, const std::string& directory,
                                     std::string_view text) {
  SPILLWAY_ASSIGN(const auto name, name_of(text));
  const std::string path = io::join_path(directory, name);
  // It was parsed: there is something besides white space.
  text.remove_prefix(text.find_first_not_of(kSpace));
  const std::string line = std::string(text.substr(0, text.find_last_not_of(kSpace) + 1)) + "\n";
  const auto there = io::read_file(disk, path, kFileBytesMax);
  if (there.ok() && *there == line) return path;
  // Another grant of the same id, or one that was revoked twice: the first one counts.
  if (there.ok()) {
    return Error{ErrorCode::kExists,
                 fmt::format("{} is there, and is another one: remove it first", path)};
  }
  if (there.error().code != ErrorCode::kNotFound) return there.error();
  SPILLWAY_TRY(disk.make_directory(directory));
  SPILLWAY_TRY(io::replace_file(disk, path, line));
  return path;
}

}  // namespace spillway::broker
