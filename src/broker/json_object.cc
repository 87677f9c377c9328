#include "broker/json_object.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <iterator>

namespace spillway::broker {
namespace {

// The length of the well-formed UTF-8 sequence (RFC 3629) that `text` begins with; 0 if there is
// none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xc2 && first <= 0xdf   ? 2
                           : first >= 0xe0 && first <= 0xef ? 3
                           : first >= 0xf0 && first <= 0xf4 ? 4
                                                            : 0;
  if (size == 0 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  // Overlong forms, surrogates, and what is above U+10FFFF.
  if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f) ||
      (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f))
    return 0;
  return size;
}

// Whether all eight bytes are ASCII that stands for itself in JSON: in none is the highest bit set,
// nor does a subtraction reach it that has to borrow for what is to be found.
bool plain(std::uint64_t bytes) {
  constexpr std::uint64_t kEach = 0x0101010101010101;
  const auto below = [bytes](std::uint64_t byte) { return bytes - kEach * byte; };
  const auto equal = [bytes](std::uint64_t byte) { return (bytes ^ kEach * byte) - kEach; };
  return ((bytes | below(0x20) | equal('"') | equal('\\')) & kEach << 7) == 0;
}

// So many bytes of ASCII that stand for themselves in JSON does `text` begin with.
std::size_t plain_length(std::string_view text) {
  if (text.empty()) return 0;  // it may have no data
  std::size_t length = 0;
  for (std::uint64_t bytes = 0; length + sizeof bytes <= text.size(); length += sizeof bytes) {
    std::memcpy(&bytes, text.data() + length, sizeof bytes);
    if (!plain(bytes)) break;
  }
  if (const std::size_t rest = text.size() - length; rest < sizeof(std::uint64_t)) {
    std::uint64_t bytes = 0x2020202020202020;
    std::memcpy(&bytes, text.data() + length, rest);
    if (plain(bytes)) return text.size();
  }
  const auto end = std::ranges::find_if(text.substr(length), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte >= 0x80 || c == '"' || c == '\\';
  });
  return static_cast<std::size_t>(end - text.substr(length).begin()) + length;
}

std::string written(double number) {
  return std::isfinite(number) ? fmt::format("{:.2f}", number) : "null";
}

}  // namespace

void append_json_text(std::string& to, std::string_view text) {
  to += '"';
  while (true) {
    const std::size_t plain = plain_length(text);
    to += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    const char c = text.front();
    if (c == '"' || c == '\\') {
      to += '\\';
      to += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      fmt::format_to(std::back_inserter(to), "\\u{:04x}", static_cast<unsigned>(c));
    } else if (const auto size = utf8_length(text); size > 0) {
      to += text.substr(0, size);
      text.remove_prefix(size);
      continue;
    } else {
      to += "\xef\xbf\xbd";
    }
    text.remove_prefix(1);
  }
  to += '"';
}

void JsonObject::begin(std::string_view name) {
  if (!members_.empty()) members_ += ',';
  append_json_text(members_, name);
  members_ += ':';
}

JsonObject& JsonObject::add(std::string_view name, std::string_view text) {
  begin(name);
  append_json_text(members_, text);
  return *this;
}

JsonObject& JsonObject::add(std::string_view name, double number) {
  return add_raw(name, written(number));
}

JsonObject& JsonObject::add_raw(std::string_view name, std::string_view json) {
  begin(name);
  members_ += json;
  return *this;
}

void JsonArray::add(double number) { add_raw(written(number)); }

}  // namespace spillway::broker
