// For "did you mean".
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace spillway {

// The name that is the fewest edits away (Levenshtein's distance), if somebody could have meant it:
// at most a third of its length is edited, or it ends with what was written. Otherwise empty.
std::string_view nearest_name(std::string_view unknown, std::span<const std::string_view> names);

// To end a message with: `; did you mean "put"?`, or nothing.
std::string did_you_mean(std::string_view unknown, std::span<const std::string_view> names);

}  // namespace spillway
