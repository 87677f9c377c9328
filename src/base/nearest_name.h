// For "did you mean".
#pragma once

#include <span>
#include <string_view>

namespace spillway {

// The name that is the fewest edits away (Levenshtein's distance); empty where there are none.
std::string_view nearest_name(std::string_view unknown, std::span<const std::string_view> names);

}  // namespace spillway
