#include "cli/text_output.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <iterator>

#include "wire/shapes.h"

namespace spillway::cli {
namespace {

struct Character {
  std::uint32_t code = 0;
  std::size_t bytes = 0;  // 0: no UTF-8 here
};

// The first character of `text`, which isn't empty (RFC 3629: shortest forms, no surrogates).
Character first_of(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < bytes) return {};
  std::uint32_t code = lead & (0xFFU >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0U) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3FU);
  }
  constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kLeast[bytes] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return {};
  return {code, bytes};
}

bool is_control(std::uint32_t code) { return code < 0x20 || (code >= 0x7F && code <= 0x9F); }

// Line and paragraph separators, marks and controls of the writing direction.
bool reorders(std::uint32_t code) {
  return code == 0x061C || code == 0x200E || code == 0x200F || (code >= 0x2028 && code <= 0x202E) ||
         (code >= 0x2066 && code <= 0x2069) || code == 0xFEFF;
}

void append_escaped(std::string& to, char byte) {
  switch (byte) {
    case '\n':
      to += "\\n";
      break;
    case '\r':
      to += "\\r";
      break;
    case '\t':
      to += "\\t";
      break;
    default:
      fmt::format_to(std::back_inserter(to), "\\x{:02x}", static_cast<unsigned char>(byte));
  }
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const auto next = first_of(text);
    if (next.bytes == 0) return false;
    text.remove_prefix(next.bytes);
  }
  return true;
}

std::string printable(std::string_view text) {
  std::string shown;
  shown.reserve(text.size());
  while (!text.empty()) {
    const auto next = first_of(text);
    const std::size_t bytes = next.bytes == 0 ? 1 : next.bytes;
    if (next.bytes == 0 || is_control(next.code)) {
      for (const char byte : text.substr(0, bytes)) append_escaped(shown, byte);
    } else if (reorders(next.code)) {
      fmt::format_to(std::back_inserter(shown), "\\u{{{:04x}}}", next.code);
    } else {
      shown += text.substr(0, bytes);
    }
    text.remove_prefix(bytes);
  }
  return shown;
}

void append_json_text(std::string& json, std::string_view text) {
  std::string quoted;
  quoted.reserve(text.size() + 2);
  wire::append_json_string(quoted, text);
  for (std::string_view rest = quoted; !rest.empty();) {
    const auto next = first_of(rest);
    const std::size_t bytes = next.bytes == 0 ? 1 : next.bytes;
    if (next.bytes > 0 && (is_control(next.code) || reorders(next.code))) {
      fmt::format_to(std::back_inserter(json), "\\u{:04x}", next.code);
    } else {
      json += rest.substr(0, bytes);
    }
    rest.remove_prefix(bytes);
  }
}

void append_json_member(std::string& json, std::string_view name, std::string_view text) {
  if (json.back() != '{') json += ',';
  fmt::format_to(std::back_inserter(json), R"("{}":)", name);
  append_json_text(json, text);
}

bool write_out(std::string_view text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
         std::fflush(stdout) == 0;
}

}  // namespace spillway::cli
