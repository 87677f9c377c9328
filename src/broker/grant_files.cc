#include "broker/grant_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <ranges>

namespace spillway::broker {
namespace {

constexpr std::string_view kGrantSuffix = ".grant";
constexpr std::string_view kRevocationSuffix = ".revocation";
constexpr std::size_t kFileBytesMax = kGrantTextMax + 64;  // and white space

constexpr std::string_view kSpace = " \t\r\n";

bool is_grant_file(std::string_view name) {
  return name.ends_with(kGrantSuffix) || name.ends_with(kRevocationSuffix);
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
  GrantFolder folder(disk, directory);
  SPILLWAY_TRY(folder.look());
  return folder.files();
}

Status GrantFolder::look() {
  auto names = disk_.list(directory_);
  if (!names.ok() && names.error().code == ErrorCode::kNotFound) names = std::vector<std::string>();
  if (!names.ok()) return std::move(names).error();
  std::erase_if(*names, [](const std::string& name) { return !is_grant_file(name); });
  if (names->size() > kGrantFilesMax) {
    return Error{
        ErrorCode::kInvalid,
        fmt::format("{} has {} grants and revocations; {} are read at most: remove those that "
                    "have ended",
                    directory_, names->size(), kGrantFilesMax)};
  }
  if (files_.faults.empty() && std::ranges::equal(*names, understood_ | std::views::keys))
    return {};
  std::map<std::string, Text> understood;
  GrantFiles files;
  for (const auto& name : *names) {
    const auto known = understood_.find(name);
    const std::string path = io::join_path(directory_, name);
    auto text = known != understood_.end() ? Result<Text>(known->second) : read(path);
    if (!text.ok()) {
      files.faults.push_back(context(path, std::move(text).error()).message);
      continue;
    }
    if (const auto* grant = std::get_if<Grant>(&*text)) {
      files.grants.push_back(*grant);
    } else {
      files.revocations.push_back(std::get<Revocation>(*text));
    }
    understood.emplace(name, *std::move(text));
  }
  understood_ = std::move(understood);
  files_ = std::move(files);
  return {};
}

Result<GrantFolder::Text> GrantFolder::read(const std::string& path) {
  SPILLWAY_ASSIGN(const auto text, io::read_file(disk_, path, kFileBytesMax));
  if (path.ends_with(kGrantSuffix)) {
    SPILLWAY_ASSIGN(auto grant, parse_grant(text));
    return Text(std::move(grant));
  }
  SPILLWAY_ASSIGN(auto revocation, parse_revocation(text));
  return Text(std::move(revocation));
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
