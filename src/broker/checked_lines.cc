#include "broker/checked_lines.h"

#include <fmt/format.h>

#include "base/crc32c.h"

namespace spillway::broker {

std::string with_checksum(const LinesFormat& format, std::string_view lines) {
  return fmt::format("{} {} {:08x}\n{}", format.name, format.version, crc32c(lines), lines);
}

Result<std::string_view> checked_lines(const LinesFormat& format, std::string_view text) {
  const std::size_t end = text.find('\n');
  auto head = text.substr(0, end);
  if (end == std::string_view::npos || !head.starts_with(format.name) ||
      !head.substr(format.name.size()).starts_with(' '))
    return Error{ErrorCode::kCorrupt, fmt::format("line 1 is not that of {}", format.what)};
  head.remove_prefix(format.name.size() + 1);
  const auto version = head.substr(0, head.find(' '));
  if (version != format.version) {
    return Error{ErrorCode::kUnsupported,
                 fmt::format("version {} of {} is not known to this build", version, format.what)};
  }
  text.remove_prefix(end + 1);
  if (head != fmt::format("{} {:08x}", version, crc32c(text)))
    return Error{ErrorCode::kCorrupt, "its checksum is wrong"};
  return text;
}

Status take_lines(std::string_view lines, std::string_view what,
                  const std::function<bool(std::string_view line)>& take) {
  for (int number = 2; !lines.empty(); ++number) {
    const std::size_t end = lines.find('\n');
    if (end == std::string_view::npos || !take(lines.substr(0, end)))
      return Error{ErrorCode::kCorrupt, fmt::format("line {} is not that of {}", number, what)};
    lines.remove_prefix(end + 1);
  }
  return {};
}

}  // namespace spillway::broker
