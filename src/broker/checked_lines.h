// A small file of lines below one that says what it is, and whether it is whole:
//
//   NAME VERSION CRC32C     the checksum of what follows, in 8 hexadecimal digits
//   LINE…                   each ended by a newline
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace spillway::broker {

struct LinesFormat {
  std::string_view name;  // "spillway …"
  std::string_view version;
  std::string_view what;  // for people: "a receipt"
};

// `lines`: each with its end.
std::string with_checksum(const LinesFormat& format, std::string_view lines);
// The lines, which `text` holds. kUnsupported: of another version; kCorrupt.
Result<std::string_view> checked_lines(const LinesFormat& format, std::string_view text);
// Hands each of these lines to `take`, without its end. kCorrupt: one has none, or isn't taken; the
// error says its number in the file, and that it is no line of `what`.
Status take_lines(std::string_view lines, std::string_view what,
                  const std::function<bool(std::string_view line)>& take);

}  // namespace spillway::broker
