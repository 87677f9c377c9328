#include "cli/data_directory.h"

#include <fmt/format.h>

#include <algorithm>

namespace spillway::cli {

Status check_data_directory(io::Disk& disk, const std::string& directory) {
  const auto names = disk.list(directory);
  if (!names.ok() && names.error().code != ErrorCode::kNotFound) return names.error();
  const auto is_of_ours = [](const std::string& name) {
    return name == "journal" || name == "spool" || name == "access-keys.json" ||
           name == "access-keys.lock";
  };
  if (names.ok() && std::ranges::any_of(*names, is_of_ours)) return {};
  return Error{
      ErrorCode::kNotFound,
      fmt::format(
          "{} is no data directory of `spillway serve` or `spillway broker`; --data names it",
          directory)};
}

}  // namespace spillway::cli
