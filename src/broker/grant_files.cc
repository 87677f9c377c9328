#include "broker/grant_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace spillway::broker {
namespace {

constexpr std::string_view kGrantSuffix = ".grant";
constexpr std::string_view kRevocationSuffix = ".revocation";
constexpr std::size_t kFileBytesMax = kGrantTextMax + 64;  // and white space

constexpr std::string_view kSpace = " \t\r\n";

bool is_grant_file(std::string_view name) {
  return name.ends_with(kGrantSuffix) || name.ends_with(kRevocationSuffix);
}

// Of the file that a text is stored in. Revocations of different signers lie beside each other: one
// that doesn't count keeps none out that does.
Result<std::string> name_of(std::string_view text) {
  if (is_revocation(text)) {
    SPILLWAY_ASSIGN(const auto revocation, parse_revocation(text));
    const std::string signer = to_string(revocation.approver);
    return fmt::format("{}.{}{}", revocation.grant, signer.substr(signer.find(':') + 1),
                       kRevocationSuffix);
  }
  SPILLWAY_ASSIGN(const auto grant, parse_grant(text));
  return grant.id + std::string(kGrantSuffix);
}

// Whether the text, of a file that is there, takes back the same grant with the same signature's
// key: again is not more.
bool revokes_the_same(std::string_view there, std::string_view text) {
  const auto one = parse_revocation(there);
  const auto other = parse_revocation(text);
  return one.ok() && other.ok() && one->grant == other->grant && one->approver == other->approver;
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
  std::map<std::string, Known> known;
  GrantFiles files;
  for (const auto& name : *names) {
    const std::string path = io::join_path(directory_, name);
    const auto before = known_.find(name);
    auto now = look_at(path, before != known_.end() ? &before->second : nullptr);
    if (!now.ok() && now.error().code == ErrorCode::kNotFound) continue;  // removed meanwhile
    if (!now.ok()) files.faults.push_back(context(path, now.error()).message);
    // One that can't be read now, as for want of a descriptor, says what it said.
    if (!now.ok() && (now.error().code != ErrorCode::kIo || before == known_.end())) continue;
    Known next = now.ok() ? *std::move(now) : std::move(before->second);
    if (const auto* grant = std::get_if<Grant>(&next.meaning)) {
      files.grants.push_back(*grant);
    } else {
      files.revocations.push_back(std::get<Revocation>(next.meaning));
    }
    known.emplace(name, std::move(next));
  }
  known_ = std::move(known);
  files_ = std::move(files);
  return {};
}

Result<GrantFolder::Known> GrantFolder::look_at(const std::string& path, const Known* before) {
  SPILLWAY_ASSIGN(auto text, io::read_file(disk_, path, kFileBytesMax));
  if (before != nullptr && before->text == text) return *before;
  if (path.ends_with(kGrantSuffix)) {
    SPILLWAY_ASSIGN(auto grant, parse_grant(text));
    return Known{std::move(text), std::move(grant)};
  }
  SPILLWAY_ASSIGN(auto revocation, parse_revocation(text));
  return Known{std::move(text), std::move(revocation)};
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
  const bool revokes = is_revocation(line);
  if (there.ok() && revokes && revokes_the_same(*there, line)) return path;
  if (there.ok() && !revokes) {
    return Error{ErrorCode::kExists,
                 fmt::format("{} is there, and is another one: remove it first", path)};
  }
  // Whatever else lies under a revocation's name takes nothing back, and goes.
  const bool is_free = there.ok() || there.error().code == ErrorCode::kNotFound ||
                       (revokes && there.error().code == ErrorCode::kInvalid);
  if (!is_free) return there.error();
  SPILLWAY_TRY(disk.make_directory(directory));
  SPILLWAY_TRY(io::replace_file(disk, path, line));
  return path;
}

}  // namespace spillway::broker
