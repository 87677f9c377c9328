#include "broker/json_members.h"

#include "base/rfc3339.h"

namespace spillway::broker {

bool take(const simdjson::dom::element& from, const char* name, std::string& to) {
  std::string_view text;
  if (from[name].get_string().get(text) != simdjson::SUCCESS) return false;
  to = text;
  return true;
}

bool take(const simdjson::dom::element& from, const char* name, std::uint64_t& to) {
  return from[name].get_uint64().get(to) == simdjson::SUCCESS;
}

bool take(const simdjson::dom::element& from, const char* name, bool& to) {
  return from[name].get_bool().get(to) == simdjson::SUCCESS;
}

bool take(const simdjson::dom::element& from, const char* name, WallTime& to) {
  std::string text;
  const auto time = take(from, name, text) ? parse_rfc3339(text) : std::nullopt;
  to = time.value_or(to);
  return time.has_value();
}

}  // namespace spillway::broker
