// `tail --regions`: the regions that are read.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace spillway::cli {

struct NamedRegion {
  std::string name;     // the endpoint's HOST:PORT, if it has no other
  std::string url;      // empty: the configuration knows it by its name
  bool amazon = false;  // origins are in tags
};

inline constexpr std::size_t kRegionsMax = 16;

// "URL,NAME=URL,NAME,…", "amazon:" before a URL where it is none of Spillway; of one to kRegionsMax
// regions, each name once. kInvalid says how it is written.
Result<std::vector<NamedRegion>> parse_regions(std::string_view text);

}  // namespace spillway::cli
