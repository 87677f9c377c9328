#include "client/credentials_text.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <string>

#include "base/rfc3339.h"

namespace spillway::client {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// What a header may carry: a line break in a key would end it.
bool is_word(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

Status check(const auth::Credentials& keys) {
  if (keys.access_key.empty()) return Error{ErrorCode::kInvalid, "the access key is missing"};
  if (keys.secret_key.empty()) return Error{ErrorCode::kInvalid, "the secret key is missing"};
  for (const auto* text : {&keys.access_key, &keys.secret_key, &keys.session_token})
    if (!is_word(*text))
      return Error{ErrorCode::kInvalid, "a key has characters that keys haven't"};
  return {};
}

// RFC 3339 with any fraction and offset, as AWS's own tools differ in it.
std::optional<WallTime> parse_expiration(std::string_view text) {
  constexpr std::size_t kToSeconds = 19;
  if (text.size() <= kToSeconds) return std::nullopt;
  const auto time = parse_rfc3339(std::string(text.substr(0, kToSeconds)) + "Z");
  text.remove_prefix(kToSeconds);
  if (text.starts_with('.')) {
    const auto end = text.find_first_not_of("0123456789", 1);
    text.remove_prefix(std::min(end, text.size()));
  }
  if (!time || text == "Z") return time;
  // The offset is the time of a day.
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  const auto offset = parse_rfc3339(fmt::format("1970-01-01T{}:00Z", text.substr(1)));
  if (!offset) return std::nullopt;
  return text[0] == '+' ? *time - offset->time_since_epoch() : *time + offset->time_since_epoch();
}

}  // namespace

Result<auth::Credentials> parse_credentials_file(std::string_view text, std::string_view profile) {
  auth::Credentials keys;
  bool there = false;
  bool inside = false;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    if (line[0] == '[') {
      inside = line.ends_with(']') && trimmed(line.substr(1, line.size() - 2)) == profile;
      there = there || inside;
      continue;
    }
    const auto equals = line.find('=');
    if (!inside || equals == std::string_view::npos) continue;
    const auto name = trimmed(line.substr(0, equals));
    const auto value = trimmed(line.substr(equals + 1));
    if (name == "aws_access_key_id") keys.access_key = value;
    if (name == "aws_secret_access_key") keys.secret_key = value;
    if (name == "aws_session_token") keys.session_token = value;
  }
  if (!there) return Error{ErrorCode::kNotFound, fmt::format("it has no profile [{}]", profile)};
  SPILLWAY_TRY(check(keys));
  return keys;
}

Result<TimedCredentials> parse_process_credentials(std::string_view json) {
  simdjson::dom::parser parser;
  simdjson::dom::object root;
  if (parser.parse(simdjson::padded_string(json)).get(root) != simdjson::SUCCESS)
    return Error{ErrorCode::kInvalid, "what it printed is no JSON object"};
  std::int64_t version = 0;
  if (root["Version"].get(version) != simdjson::SUCCESS || version != 1)
    return Error{ErrorCode::kInvalid, "its Version is not 1"};
  const auto text = [&root](std::string_view name) {
    std::string_view value;
    return root[name].get(value) == simdjson::SUCCESS ? std::string(value) : std::string();
  };
  TimedCredentials credentials{
      .keys = {text("AccessKeyId"), text("SecretAccessKey"), text("SessionToken")}};
  SPILLWAY_TRY(check(credentials.keys));
  if (const auto expiration = text("Expiration"); !expiration.empty()) {
    credentials.until = parse_expiration(expiration);
    if (!credentials.until)
      return Error{ErrorCode::kInvalid, "its Expiration is no time, as 2026-01-01T00:00:00Z is"};
  }
  return credentials;
}

}  // namespace spillway::client
