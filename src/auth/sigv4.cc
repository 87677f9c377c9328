#include "auth/sigv4.h"

#include <fmt/chrono.h>

#include "base/assert.h"

namespace spillway::auth {

namespace {

constexpr std::string_view kTargetHeader = "x-amz-target";
constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view kTerminator = "aws4_request";
constexpr std::size_t kCachedKeysMax = 1024;

std::string_view view_of(const Sha256Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

// Takes what stands before `separator` off the front; the whole rest where there is none.
std::string_view take_until(std::string_view& text, char separator) {
  const std::size_t at = text.find(separator);
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return taken;
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

// Parameters in the order of their names, each with '='.
void append_query(std::string& to, std::string_view query) {
  std::vector<std::string> parameters;
  while (!query.empty()) {
    std::string parameter(take_until(query, '&'));
    if (parameter.find('=') == std::string::npos) parameter.push_back('=');
    parameters.push_back(std::move(parameter));
  }
  std::ranges::stable_sort(parameters, {}, [](const std::string& parameter) {
    return std::string_view(parameter).substr(0, parameter.find('='));
  });
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (i > 0) to.push_back('&');
    to += parameters[i];
  }
}

bool is_signed(std::string_view name, std::string_view signed_headers) {
  while (!signed_headers.empty())
    if (take_until(signed_headers, ';') == name) return true;
  return false;
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

// Nullopt where a signed header is missing: its name is left in `missing`.
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

// "20260131T235959Z"; nullopt where it is anything else.
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

AuthError incomplete(std::string message) {
  return {AuthErrorType::kIncompleteSignature, std::move(message)};
}

AuthError invalid(std::string message) {
  return {AuthErrorType::kInvalidSignature, std::move(message)};
}

std::optional<AuthError> check_time(WallTime signed_at, WallTime now) {
  if (signed_at + kClockSkewMax < now) {
    return invalid(fmt::format("Signature expired: {} is now earlier than {} ({} - 5 min.)",
                               iso_basic(signed_at), iso_basic(now - kClockSkewMax),
                               iso_basic(now)));
  }
  if (signed_at - kClockSkewMax > now) {
    return invalid(fmt::format("Signature not yet current: {} is still later than {} ({} + 5 min.)",
                               iso_basic(signed_at), iso_basic(now + kClockSkewMax),
                               iso_basic(now)));
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_string(AuthErrorType type) {
  switch (type) {
    case AuthErrorType::kMissingAuthenticationToken:
      return "MissingAuthenticationTokenException";
    case AuthErrorType::kIncompleteSignature:
      return "IncompleteSignatureException";
    case AuthErrorType::kInvalidSignature:
      return "InvalidSignatureException";
    case AuthErrorType::kUnrecognizedClient:
      return "UnrecognizedClientException";
  }
  return "";
}

std::string iso_basic(WallTime time) {
  return fmt::format(
      "{:%Y%m%dT%H%M%SZ}",
      fmt::gmtime(std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count()));
}

std::variant<Authorization, AuthError> parse_authorization(std::string_view header) {
  std::string_view rest = trimmed(header);
  const std::string_view algorithm = take_until(rest, ' ');
  if (algorithm != kAlgorithm) {
    return incomplete(fmt::format("Unsupported AWS 'algorithm': '{}'. Only {} is supported.",
                                  algorithm.substr(0, 100), kAlgorithm));
  }
  Authorization parts;
  std::string_view credential;
  while (!rest.empty()) {
    const std::string_view part = trimmed(take_until(rest, ','));
    const std::size_t equals = part.find('=');
    const std::string_view name = part.substr(0, equals);
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view{} : part.substr(equals + 1);
    if (name == "Credential") credential = value;
    if (name == "SignedHeaders") parts.signed_headers = value;
    if (name == "Signature") parts.signature = value;
  }
  std::string missing;
  const auto require = [&missing](std::string_view name, std::string_view value) {
    if (value.empty())
      missing += fmt::format("Authorization header requires '{}' parameter. ", name);
  };
  require("Credential", credential);
  require("Signature", parts.signature);
  require("SignedHeaders", parts.signed_headers);
  if (!missing.empty())
    return incomplete(fmt::format("{}Authorization={}", missing, header.substr(0, 500)));

  std::string_view scope = credential;
  parts.access_key = take_until(scope, '/');
  parts.date = take_until(scope, '/');
  parts.region = take_until(scope, '/');
  parts.service = take_until(scope, '/');
  if (scope != kTerminator || parts.access_key.empty() || parts.date.size() != 8 ||
      !all_digits(parts.date) || parts.region.empty() || parts.service.empty()) {
    return incomplete(
        fmt::format("Credential must have exactly 5 slash-delimited elements, e.g. "
                    "keyid/date/region/service/term, got '{}'",
                    credential.substr(0, 200)));
  }
  return parts;
}

void Verifier::set_keys(std::shared_ptr<const KeyTable> keys) {
  keys_ = std::move(keys);
  signing_keys_.clear();
}

const Sha256Digest& Verifier::signing_key(const Authorization& authorization,
                                          std::string_view secret) {
  std::string name = fmt::format("{}/{}", authorization.access_key, authorization.date);
  if (const auto found = signing_keys_.find(name); found != signing_keys_.end())
    return found->second;
  if (signing_keys_.size() >= kCachedKeysMax) signing_keys_.clear();
  return signing_keys_
      .emplace(std::move(name), derive_key(secret, authorization.date, region_, service_))
      .first->second;
}

std::variant<std::string, AuthError> Verifier::verify(const wire::RequestHead& head,
                                                      const Sha256Digest& body_hash, WallTime now) {
  const std::string* header = head.find("authorization");
  const bool in_query = head.target.find("X-Amz-Algorithm=") != std::string::npos;
  if (header == nullptr) {
    return AuthError{AuthErrorType::kMissingAuthenticationToken,
                     in_query ? "Query-string authentication is not offered yet: sign the "
                                "Authorization header"
                              : "Missing Authentication Token"};
  }
  if (in_query) {
    return invalid(
        "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.");
  }
  auto parsed = parse_authorization(*header);
  if (auto* error = std::get_if<AuthError>(&parsed)) return std::move(*error);
  const auto& authorization = std::get<Authorization>(parsed);

  const std::string* timestamp = head.find("x-amz-date");
  const auto signed_at = timestamp != nullptr ? parse_iso_basic(*timestamp) : std::nullopt;
  if (!signed_at) {
    return incomplete(fmt::format(
        "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
        "Authorization={}",
        header->substr(0, 500)));
  }
  if (keys_->accepts_any()) return std::string(authorization.access_key);

  const std::string* secret = keys_->secret_of(authorization.access_key);
  if (secret == nullptr) {
    return AuthError{AuthErrorType::kUnrecognizedClient,
                     "The security token included in the request is invalid"};
  }
  if (authorization.region != region_ || authorization.service != service_) {
    return invalid(fmt::format(
        "Credential should be scoped to a valid region: this endpoint is '{}' in region '{}', the "
        "request was signed for '{}' in '{}'. Set the client's region to '{}'.",
        service_, region_, authorization.service.substr(0, 64), authorization.region.substr(0, 64),
        region_));
  }
  if (timestamp->substr(0, 8) != authorization.date) {
    return invalid(
        fmt::format("Date in Credential scope does not match YYYYMMDD from ISO-8601 "
                    "version of date from HTTP: '{}' != '{}', from '{}'.",
                    authorization.date, timestamp->substr(0, 8), *timestamp));
  }
  if (auto error = check_time(*signed_at, now)) return std::move(*error);

  // What says where a request goes and what it does must be signed.
  if (!is_signed("host", authorization.signed_headers) &&
      !is_signed(":authority", authorization.signed_headers)) {
    return invalid("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.");
  }
  if (head.find(kTargetHeader) != nullptr &&
      !is_signed(kTargetHeader, authorization.signed_headers)) {
    return invalid(
        fmt::format("'{}' must be a 'SignedHeader' in the AWS Authorization.", kTargetHeader));
  }
  const std::string* sent_hash = head.find("x-amz-content-sha256");
  const std::string actual_hash = to_hex(body_hash);
  if (sent_hash != nullptr && *sent_hash != actual_hash) {
    return invalid(
        "The x-amz-content-sha256 header does not match the SHA-256 of the body as it arrived.");
  }
  canonical_.clear();
  std::string_view missing;
  if (!append_canonical_request(canonical_, head, authorization.signed_headers, actual_hash,
                                missing)) {
    return invalid(
        fmt::format("The signed header '{}' is not in the request.", missing.substr(0, 100)));
  }
  const std::string scope =
      fmt::format("{}/{}/{}/{}", authorization.date, region_, service_, kTerminator);
  const auto signature = hmac_sha256(view_of(signing_key(authorization, *secret)),
                                     string_to_sign(*timestamp, scope, canonical_));
  if (!equal_constant_time(to_hex(signature), authorization.signature)) {
    return invalid(
        "The request signature we calculated does not match the signature you provided. Check your "
        "AWS Secret Access Key and signing method. Consult the service documentation for details.");
  }
  return std::string(authorization.access_key);
}

void sign(wire::RequestHead& head, std::string_view body, const Credentials& credentials,
          std::string_view region, std::string_view service, WallTime now) {
  const std::string timestamp = iso_basic(now);
  head.headers.push_back({"X-Amz-Date", timestamp});
  if (!credentials.session_token.empty())
    head.headers.push_back({"X-Amz-Security-Token", credentials.session_token});

  std::vector<std::string> names;
  for (const auto& header : head.headers) {
    std::string name = header.name;
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
    if (name == "host" || name == "content-type" || name.starts_with("x-amz-")) {
      names.push_back(std::move(name));
    } else if (name == ":authority") {
      names.emplace_back("host");
    }
  }
  std::sort(names.begin(), names.end());
  std::string signed_headers;
  for (const auto& name : names) {
    if (!signed_headers.empty()) signed_headers.push_back(';');
    signed_headers += name;
  }
  std::string canonical;
  std::string_view missing;
  const bool complete =
      append_canonical_request(canonical, head, signed_headers, to_hex(sha256(body)), missing);
  SPILLWAY_ASSERT(complete);
  const std::string scope =
      fmt::format("{}/{}/{}/{}", timestamp.substr(0, 8), region, service, kTerminator);
  const auto key = derive_key(credentials.secret_key, timestamp.substr(0, 8), region, service);
  const auto signature = hmac_sha256(view_of(key), string_to_sign(timestamp, scope, canonical));
  head.headers.push_back(
      {"Authorization",
       fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}", kAlgorithm,
                   credentials.access_key, scope, signed_headers, to_hex(signature))});
}

}  // namespace spillway::auth
