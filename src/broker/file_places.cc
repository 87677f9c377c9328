#include "broker/file_places.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace spillway::broker {
namespace {

constexpr std::string_view kName = "spillway file places ";
constexpr int kVersion = 1;

// Takes a number and the space or newline behind it off the front; false if there is none.
template <typename T>
bool take_number(std::string_view& text, T& value) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  const auto digits = static_cast<std::size_t>(parsed.ptr - text.data());
  if (parsed.ec != std::errc{} || digits == text.size()) return false;
  const char behind = text[digits];
  text.remove_prefix(digits + 1);
  return behind == ' ' || behind == '\n';
}

}  // namespace

std::string encode(const FilePlaces& places) {
  std::string text = fmt::format("{}{}\n", kName, kVersion);
  for (const auto& [path, place] : places)
    text += fmt::format("{} {} {}\n", place.file_id, place.offset, path);
  return text;
}

Result<FilePlaces> decode_file_places(std::string_view text) {
  int version = 0;
  if (!text.starts_with(kName))
    return Error{ErrorCode::kCorrupt, "line 1 is not that of file places"};
  text.remove_prefix(kName.size());
  if (!take_number(text, version)) return Error{ErrorCode::kCorrupt, "line 1 has no version"};
  if (version != kVersion)
    return Error{ErrorCode::kUnsupported,
                 fmt::format("version {} of the file places is not known to this build", version)};
  FilePlaces places;
  for (int number = 2; !text.empty(); ++number) {
    const auto end = text.find('\n');
    FilePlace place;
    std::string_view line = text.substr(0, end);
    if (end == std::string_view::npos || !take_number(line, place.file_id) ||
        !take_number(line, place.offset) || line.empty())
      return Error{ErrorCode::kCorrupt, fmt::format("line {} is not \"ID OFFSET PATH\"", number)};
    places[std::string(line)] = place;
    text.remove_prefix(end + 1);
  }
  return places;
}

}  // namespace spillway::broker
