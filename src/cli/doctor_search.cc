#include "cli/doctor_search.h"

#include <algorithm>

namespace spillway::cli {

namespace {

constexpr std::size_t kChunk = std::size_t{4} << 20;

Status search_file(io::Disk& disk, const std::string& path, const std::vector<std::string>& needles,
                   const std::function<void(const SearchHit&)>& found) {
  SPILLWAY_ASSIGN(auto file, disk.open(path, io::OpenMode::kRead));
  std::size_t longest = 0;
  for (const auto& needle : needles) longest = std::max(longest, needle.size());
  // Chunks overlap, so that each holds the places that begin in its first kChunk bytes whole.
  std::string bytes(kChunk + longest - 1, '\0');
  for (std::uint64_t begin = 0;; begin += kChunk) {
    SPILLWAY_ASSIGN(const std::size_t got, file->read_at(begin, bytes));
    const auto view = std::string_view(bytes).substr(0, got);
    for (std::size_t i = 0; i < needles.size(); ++i) {
      for (auto at = view.find(needles[i]); at < kChunk; at = view.find(needles[i], at + 1))
        found({path, begin + at, i});
    }
    if (got < bytes.size()) return {};
  }
}

}  // namespace

Status search_files(io::Disk& disk, const std::string& directory,
                    const std::vector<std::string>& needles,
                    const std::function<void(const SearchHit&)>& found) {
  SPILLWAY_ASSIGN(const auto names, disk.list(directory));
  for (const auto& name : names) {
    const std::string path = io::join_path(directory, name);
    // What can't be listed is no directory.
    if (disk.list(path).ok()) {
      SPILLWAY_TRY(search_files(disk, path, needles, found));
    } else {
      SPILLWAY_TRY(search_file(disk, path, needles, found));
    }
  }
  return {};
}

}  // namespace spillway::cli
