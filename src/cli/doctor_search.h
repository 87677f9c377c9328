// Bytes that must not be in the files of a directory.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "io/disk.h"

namespace spillway::cli {

struct SearchHit {
  std::string file;
  std::uint64_t offset = 0;
  std::size_t needle = 0;  // its number
};

// Every place of any of `needles` (not empty, at most kNeedleBytesMax each) in any file below
// `directory`.
inline constexpr std::size_t kNeedleBytesMax = std::size_t{1} << 20;
Status search_files(io::Disk& disk, const std::string& directory,
                    const std::vector<std::string>& needles,
                    const std::function<void(const SearchHit&)>& found);

}  // namespace spillway::cli
