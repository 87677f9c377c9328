#include "auth/canonical_request.h"

namespace spillway::auth {

namespace {

constexpr std::string_view kSignatureParameter = "X-Amz-Signature=";

std::string_view view_of(const Sha256Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

// A header's value as it is signed: trimmed, with runs of spaces as one.
void append_collapsed(std::string& to, std::string_view value) {
  bool space = false;
  for (const char c : trimmed(value)) {
    const bool is_space = c == ' ' || c == '\t';
    if (!is_space || !space) to.push_back(is_space ? ' ' : c);
    space = is_space;
  }
}

bool unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.' || c == '~';
}

// The path as it is signed: each byte that is not unreserved is encoded (once more where it already
// was, as the rules have it for every service but S3).
void append_path(std::string& to, std::string_view path) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  if (path.empty()) to.push_back('/');
  for (const char c : path) {
    if (unreserved(c) || c == '/') {
      to.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      to.push_back('%');
      to.push_back(kDigits[byte >> 4]);
      to.push_back(kDigits[byte & 15]);
    }
  }
}

// Parameters in the order of their names and values, each with '='. The signature's own is not
// among what it signs.
void append_query(std::string& to, std::string_view query) {
  std::vector<std::string> parameters;
  while (!query.empty()) {
    std::string parameter(take_until(query, '&'));
    if (parameter.find('=') == std::string::npos) parameter.push_back('=');
    if (!parameter.starts_with(kSignatureParameter)) parameters.push_back(std::move(parameter));
  }
  std::ranges::sort(parameters, {}, [](const std::string& parameter) {
    const auto equals = parameter.find('=');
    const std::string_view text = parameter;
    return std::pair(text.substr(0, equals), text.substr(equals + 1));
  });
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (i > 0) to.push_back('&');
    to += parameters[i];
  }
}

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  return std::nullopt;
}

// What is no %XX stays as it is.
std::string percent_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto high = text[i] == '%' && i + 2 < text.size() ? hex_digit(text[i + 1]) : std::nullopt;
    const auto low = high ? hex_digit(text[i + 2]) : std::nullopt;
    decoded.push_back(low ? static_cast<char>(*high << 4 | *low) : text[i]);
    if (low) i += 2;
  }
  return decoded;
}

// The value of the signed header `name`. Over HTTP/2 there is no Host header: clients sign `host`
// or
// `:authority`, whichever they think of, and both mean the authority.
const std::string* find_signed(const wire::RequestHead& head, std::string_view name) {
  if (const auto* value = head.find(name)) return value;
  if (name == "host") return head.find(":authority");
  if (name == ":authority") return head.find("host");
  return nullptr;
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

std::string_view take_until(std::string_view& text, char separator) {
  const std::size_t at = text.find(separator);
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return taken;
}

std::optional<std::string> query_parameter(std::string_view target, std::string_view name) {
  take_until(target, '?');
  while (!target.empty()) {
    std::string_view value = take_until(target, '&');
    if (take_until(value, '=') == name) return percent_decoded(value);
  }
  return std::nullopt;
}

bool append_canonical_request(std::string& to, const wire::RequestHead& head,
                              std::string_view signed_headers, std::string_view body_hash,
                              std::string_view& missing) {
  std::string_view query = head.target;
  const std::string_view path = take_until(query, '?');
  to += head.method;
  to.push_back('\n');
  append_path(to, path);
  to.push_back('\n');
  append_query(to, query);
  to.push_back('\n');
  for (std::string_view names = signed_headers; !names.empty();) {
    const std::string_view name = take_until(names, ';');
    const std::string* value = find_signed(head, name);
    if (value == nullptr) {
      missing = name;
      return false;
    }
    to += name;
    to.push_back(':');
    append_collapsed(to, *value);
    to.push_back('\n');
  }
  to.push_back('\n');
  to += signed_headers;
  to.push_back('\n');
  to += body_hash;
  return true;
}

std::string string_to_sign(std::string_view timestamp, std::string_view scope,
                           std::string_view canonical) {
  return fmt::format("{}\n{}\n{}\n{}", kAlgorithm, timestamp, scope, to_hex(sha256(canonical)));
}

Sha256Digest derive_key(std::string_view secret, std::string_view date, std::string_view region,
                        std::string_view service) {
  const auto by_date = hmac_sha256(fmt::format("AWS4{}", secret), date);
  const auto by_region = hmac_sha256(view_of(by_date), region);
  const auto by_service = hmac_sha256(view_of(by_region), service);
  return hmac_sha256(view_of(by_service), kTerminator);
}

bool all_digits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<WallTime> parse_iso_basic(std::string_view text) {
  if (text.size() != 16 || text[8] != 'T' || text[15] != 'Z' || !all_digits(text.substr(0, 8)) ||
      !all_digits(text.substr(9, 6)))
    return std::nullopt;
  const auto number = [text](std::size_t at, std::size_t size) {
    int value = 0;
    for (const char c : text.substr(at, size)) value = value * 10 + (c - '0');
    return value;
  };
  const auto date = std::chrono::year_month_day{
      std::chrono::year(number(0, 4)), std::chrono::month(static_cast<unsigned>(number(4, 2))),
      std::chrono::day(static_cast<unsigned>(number(6, 2)))};
  if (!date.ok() || number(9, 2) > 23 || number(11, 2) > 59 || number(13, 2) > 60)
    return std::nullopt;
  return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(number(9, 2)) +
         std::chrono::minutes(number(11, 2)) + std::chrono::seconds(number(13, 2));
}

std::string signature_of(const Sha256Digest& key, std::string_view text) {
  return to_hex(hmac_sha256(view_of(key), text));
}

}  // namespace spillway::auth
