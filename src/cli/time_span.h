#pragma once

#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace spillway::cli {

// "90s", "5m", "12h", "7d": at least a second. kInvalid says how it is written.
Result<seconds> parse_time_span(std::string_view text);

}  // namespace spillway::cli
