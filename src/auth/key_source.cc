#include "auth/key_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/base64.h"

namespace spillway::auth {

namespace {

constexpr std::size_t kHexSize = 2 * sizeof(AesKey);
constexpr std::size_t kBase64Size = base64_encoded_size(sizeof(AesKey));

bool is_printable(char c) { return c >= ' ' && c <= '~'; }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

bool from_hex(std::string_view text, AesKey& key) {
  for (std::size_t i = 0; i < key.size(); ++i) {
    const int high = hex_digit(text[2 * i]);
    const int low = hex_digit(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    key[i] = static_cast<unsigned char>(high << 4 | low);
  }
  return true;
}

bool from_base64(std::string_view text, AesKey& key) {
  char bytes[base64_decoded_size_max(kBase64Size)];
  const auto size = base64_decode(text, bytes);
  if (size != key.size()) return false;
  std::memcpy(key.data(), bytes, key.size());
  return true;
}

}  // namespace

Result<KeySource> parse_key_source(std::string_view text) {
  using Kind = KeySource::Kind;
  for (const auto& [prefix, kind] : {std::pair{std::string_view("file:"), Kind::kFile},
                                     std::pair{std::string_view("env:"), Kind::kEnvironment},
                                     std::pair{std::string_view("command:"), Kind::kCommand}}) {
    if (text.starts_with(prefix) && text.size() > prefix.size())
      return KeySource{kind, std::string(text.substr(prefix.size()))};
  }
  return Error{
      ErrorCode::kInvalid,
      fmt::format("\"{}\" names no source of a key: write file:PATH, env:NAME or command:…", text)};
}

Result<AesKey> parse_key_material(std::string_view bytes) {
  AesKey key;
  if (bytes.size() == key.size()) {
    // As good as never among random bytes; 16 bytes in hexadecimal are a likely mistake.
    if (std::ranges::all_of(bytes, is_printable)) {
      return Error{ErrorCode::kInvalid,
                   "32 characters of text are not 32 random bytes: write 64 hexadecimal digits, as "
                   "`openssl rand -hex 32` does"};
    }
    std::memcpy(key.data(), bytes.data(), key.size());
    return key;
  }
  const std::string_view text = trimmed(bytes);
  if (text.size() == kHexSize && from_hex(text, key)) return key;
  if (text.size() == kBase64Size && from_base64(text, key)) return key;
  return Error{
      ErrorCode::kInvalid,
      fmt::format("{} bytes that are neither a key's 32 bytes, nor 64 hexadecimal digits, nor "
                  "base64 of 32 bytes",
                  bytes.size())};
}

}  // namespace spillway::auth
