// Members of what an admin port answers. What isn't there, or is something else, is "", 0, or
// false.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace spillway::cli {

// As a terminal may be shown it.
std::string text_of(const simdjson::dom::element& from, std::string_view name);
std::int64_t number_of(const simdjson::dom::element& from, std::string_view name);
double real_of(const simdjson::dom::element& from, std::string_view name);
bool flag_of(const simdjson::dom::element& from, std::string_view name);

}  // namespace spillway::cli
