// What parsers of lines take from the front of a text.
#pragma once

#include <algorithm>
#include <string_view>

namespace spillway::broker {

// False, and the text stays, where it begins otherwise.
inline bool take(std::string_view& text, char wanted) {
  if (!text.starts_with(wanted)) return false;
  text.remove_prefix(1);
  return true;
}

// Up to the first of `ends`, which stays, or all.
inline std::string_view take_until(std::string_view& text, std::string_view ends) {
  const auto end = std::min(text.find_first_of(ends), text.size());
  const auto taken = text.substr(0, end);
  text.remove_prefix(end);
  return taken;
}

}  // namespace spillway::broker
