// Times as text, as RFC 3339 has them, in UTC.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace spillway {

// "2020-11-25T14:00:00.123Z", or without its milliseconds.
std::string rfc3339_millis(WallTime time);
std::string rfc3339_seconds(WallTime time);
// What the two above write; nullopt for anything else, a day that isn't in the calendar too.
std::optional<WallTime> parse_rfc3339(std::string_view text);

}  // namespace spillway
