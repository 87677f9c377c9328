// What `spillway audit callers` prints of what a region's admin port said.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace spillway::cli {

// `json` is the answer of /v1/callers, of all streams: who has another source is seen from them
// all. The table is of `stream`'s callers, or of every stream's where it is empty. kInvalid: it
// isn't that answer.
Result<std::string> callers_table(std::string_view json, std::string_view stream, WallTime now);
// One JSON object a line, likewise.
Result<std::string> callers_lines(std::string_view json, std::string_view stream);

}  // namespace spillway::cli
