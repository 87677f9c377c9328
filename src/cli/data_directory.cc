#include "cli/data_directory.h"

#include <fmt/format.h>

#include <algorithm>

namespace spillway::cli {

Status check_data_directory(io::Disk& disk, const std::string& directory) {
  const auto names = disk.list(directory);
  if (!names.ok() && names.error().code != ErrorCode::kNotFound) return names.error();
  const auto is_of_a_region = [](const std::string& name) {
    return name == "journal" || name == "access-keys.json" || name == "access-keys.lock";
  };
  if (names.ok() && std::ranges::any_of(*names, is_of_a_region)) return {};
  return Error{
      ErrorCode::kNotFound,
      fmt::format("{} is no data directory of `spillway serve`; --data names it", directory)};
}

}  // namespace spillway::cli
