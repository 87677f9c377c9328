// Members of a JSON object that was read; written by json_object.h.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <string>

#include "base/time.h"

namespace spillway::broker {

// False where there is none of that name, or it is something else; `to` may then be anything.
bool take(const simdjson::dom::element& from, const char* name, std::string& to);
bool take(const simdjson::dom::element& from, const char* name, std::uint64_t& to);
bool take(const simdjson::dom::element& from, const char* name, bool& to);
// A time of RFC 3339.
bool take(const simdjson::dom::element& from, const char* name, WallTime& to);

}  // namespace spillway::broker
