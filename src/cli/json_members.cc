#include "cli/json_members.h"

#include "cli/text_output.h"

namespace spillway::cli {

std::string text_of(const simdjson::dom::element& from, std::string_view name) {
  std::string_view text;
  return from[name].get(text) == simdjson::SUCCESS ? printable(text) : "";
}

std::int64_t number_of(const simdjson::dom::element& from, std::string_view name) {
  std::int64_t number = 0;
  return from[name].get(number) == simdjson::SUCCESS ? number : 0;
}

double real_of(const simdjson::dom::element& from, std::string_view name) {
  double number = 0;
  return from[name].get(number) == simdjson::SUCCESS ? number : 0;
}

bool flag_of(const simdjson::dom::element& from, std::string_view name) {
  bool flag = false;
  return from[name].get(flag) == simdjson::SUCCESS && flag;
}

}  // namespace spillway::cli
