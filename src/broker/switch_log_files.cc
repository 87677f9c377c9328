#include "broker/switch_log_files.h"

#include <fmt/format.h>

#include <algorithm>

namespace spillway::broker {
namespace {

constexpr std::size_t kDigits = 20;
constexpr std::string_view kSuffix = ".log";

bool is_log_file(std::string_view name) {
  return name.size() == kDigits + kSuffix.size() && name.ends_with(kSuffix) &&
         std::ranges::all_of(name.substr(0, kDigits), [](char c) { return c >= '0' && c <= '9'; });
}

// Holds lines against each other and against a head that was kept.
class Verifier {
 public:
  Verifier(const SwitchChain& chain, const std::optional<SwitchHead>& kept)
      : chain_(chain), kept_(kept) {}

  Status add_file(const std::string& path, std::string_view bytes) {
    std::uint64_t number = 0;
    while (!bytes.empty()) {
      ++number;
      const std::size_t end = bytes.find('\n');
      if (auto added =
              end == std::string_view::npos
                  ? Status(Error{ErrorCode::kCorrupt,
                                 "the line is cut: by a crash (the broker's next start sets "
                                 "it aside), or by somebody"})
                  : add_line(bytes.substr(0, end));
          !added.ok())
        return context(fmt::format("{}, line {}", path, number), std::move(added).error());
      bytes.remove_prefix(end + 1);
    }
    return {};
  }

  Result<VerifiedLog> finish() {
    if (kept_ && kept_->sequence > seen_.head.sequence) {
      return Error{ErrorCode::kCorrupt,
                   fmt::format("the log ends with line {}, and line {} was there when the head was "
                               "kept: its end was cut off",
                               seen_.head.sequence, kept_->sequence)};
    }
    if (kept_ && kept_->sequence > 0 && kept_->sequence < seen_.first) {
      return Error{
          ErrorCode::kInvalid,
          fmt::format("the file begins with line {}, and the head is of line {}: verify the "
                      "whole directory",
                      seen_.first, kept_->sequence)};
    }
    return seen_;
  }

 private:
  Status add_line(std::string_view line) {
    SPILLWAY_TRY(chain_.add(line));
    seen_.head = chain_.head();
    if (seen_.lines++ == 0) seen_.first = seen_.head.sequence;
    if (kept_ && kept_->sequence == seen_.head.sequence && kept_->hash != seen_.head.hash) {
      return Error{ErrorCode::kCorrupt,
                   fmt::format("line {} is another one than when the head was kept: the log was "
                               "written anew",
                               seen_.head.sequence)};
    }
    return {};
  }

  SwitchChain chain_;
  const std::optional<SwitchHead>& kept_;
  VerifiedLog seen_;
};

}  // namespace

std::string switch_log_file(std::string_view directory, std::uint64_t first) {
  return io::join_path(directory, fmt::format("{:0{}}{}", first, kDigits, kSuffix));
}

Result<std::vector<std::string>> switch_log_files(io::Disk& disk, const std::string& directory) {
  auto names = disk.list(directory);
  if (!names.ok() && names.error().code == ErrorCode::kNotFound) return std::vector<std::string>();
  if (!names.ok()) return std::move(names).error();
  std::erase_if(*names, [](const std::string& name) { return !is_log_file(name); });
  for (auto& name : *names) name = io::join_path(directory, name);
  return names;
}

Result<VerifiedLog> verify_switch_log(io::Disk& disk, const std::string& path,
                                      const std::optional<SwitchHead>& kept) {
  // What is there and can't be listed is a file, too.
  const auto listed = disk.list(path);
  if (is_log_file(path.substr(path.rfind('/') + 1)) ||
      (!listed.ok() && listed.error().code != ErrorCode::kNotFound)) {
    SPILLWAY_ASSIGN(const auto bytes, io::read_file(disk, path, kSwitchFileBytesMax));
    Verifier verifier(SwitchChain::from_anywhere(), kept);
    SPILLWAY_TRY(verifier.add_file(path, bytes));
    return verifier.finish();
  }
  SPILLWAY_ASSIGN(const auto files, switch_log_files(disk, path));
  if (files.empty()) {
    return Error{
        ErrorCode::kNotFound,
        fmt::format("{} has no log of switches: a broker begins one, in switch-log of its data "
                    "directory, with its first switch",
                    path)};
  }
  Verifier verifier(SwitchChain(), kept);
  for (const auto& file : files) {
    SPILLWAY_ASSIGN(const auto bytes, io::read_file(disk, file, kSwitchFileBytesMax));
    SPILLWAY_TRY(verifier.add_file(file, bytes));
  }
  return verifier.finish();
}

}  // namespace spillway::broker
