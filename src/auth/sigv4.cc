#include "auth/sigv4.h"

#include <fmt/chrono.h>

#include <charconv>

#include "auth/canonical_request.h"
#include "base/assert.h"

namespace spillway::auth {

namespace {

constexpr std::string_view kTargetHeader = "x-amz-target";
constexpr std::string_view kTokenHeader = "x-amz-security-token";
constexpr std::size_t kCachedKeysMax = 1024;

bool is_signed(std::string_view name, std::string_view signed_headers) {
  while (!signed_headers.empty())
    if (take_until(signed_headers, ';') == name) return true;
  return false;
}

AuthError incomplete(std::string message) {
  return {AuthErrorType::kIncompleteSignature, std::move(message)};
}

AuthError invalid(std::string message) {
  return {AuthErrorType::kInvalidSignature, std::move(message)};
}

AuthError invalid_token() {
  return {AuthErrorType::kUnrecognizedClient,
          "The security token included in the request is invalid"};
}

AuthError unsigned_header(std::string_view name) {
  return invalid(fmt::format("'{}' must be a 'SignedHeader' in the AWS Authorization.", name));
}

// A request is good for kClockSkewMax, or as long as a presigned one says.
std::optional<AuthError> check_time(WallTime signed_at, std::optional<seconds> life, WallTime now) {
  if (signed_at + life.value_or(kClockSkewMax) < now) {
    return invalid(fmt::format("Signature expired: {} is now earlier than {} ({} - {})",
                               iso_basic(signed_at), iso_basic(now - life.value_or(kClockSkewMax)),
                               iso_basic(now),
                               life ? fmt::format("{} sec.", life->count()) : "5 min."));
  }
  if (signed_at - kClockSkewMax > now) {
    return invalid(fmt::format("Signature not yet current: {} is still later than {} ({} + 5 min.)",
                               iso_basic(signed_at), iso_basic(now + kClockSkewMax),
                               iso_basic(now)));
  }
  return std::nullopt;
}

// "AKID/20260131/us-east-1/kinesis/aws4_request".
std::optional<AuthError> split_credential(std::string_view credential, Authorization& to) {
  std::string_view scope = credential;
  to.access_key = take_until(scope, '/');
  to.date = take_until(scope, '/');
  to.region = take_until(scope, '/');
  to.service = take_until(scope, '/');
  if (scope == kTerminator && !to.access_key.empty() && to.date.size() == 8 &&
      all_digits(to.date) && !to.region.empty() && !to.service.empty())
    return std::nullopt;
  return incomplete(
      fmt::format("Credential must have exactly 5 slash-delimited elements, e.g. "
                  "keyid/date/region/service/term, got '{}'",
                  credential.substr(0, 200)));
}

AuthError unsupported_algorithm(std::string_view algorithm) {
  return incomplete(fmt::format("Unsupported AWS 'algorithm': '{}'. Only {} is supported.",
                                algorithm.substr(0, 100), kAlgorithm));
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
    case AuthErrorType::kExpiredToken:
      return "ExpiredTokenException";
    case AuthErrorType::kInternalFailure:
      return "InternalFailure";
  }
  return "";
}

int status_of(AuthErrorType type) { return type == AuthErrorType::kInternalFailure ? 500 : 400; }

std::string iso_basic(WallTime time) {
  return fmt::format(
      "{:%Y%m%dT%H%M%SZ}",
      fmt::gmtime(std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count()));
}

AuthError no_key_yet(std::string access_key) {
  return {AuthErrorType::kUnrecognizedClient, "There are no access keys here",
          std::move(access_key)};
}

std::variant<Authorization, AuthError> parse_authorization(std::string_view header) {
  std::string_view rest = trimmed(header);
  const std::string_view algorithm = take_until(rest, ' ');
  if (algorithm != kAlgorithm) return unsupported_algorithm(algorithm);
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

  if (auto error = split_credential(credential, parts)) return std::move(*error);
  return parts;
}

// What a request says of its signature; views into the request, or into a QueryClaim.
struct Verifier::Claim {
  Authorization authorization;
  std::string_view timestamp;
  WallTime signed_at{};
  std::string_view session_token;  // empty: none
  std::optional<seconds> life;     // that a presigned request says

  static std::variant<Claim, AuthError> in_header(const wire::RequestHead& head,
                                                  std::string_view header);
  // Takes the session token of the header, where there is one.
  std::optional<AuthError> take_token(const wire::RequestHead& head);
};

std::optional<AuthError> Verifier::Claim::take_token(const wire::RequestHead& head) {
  const std::string* token = head.find(kTokenHeader);
  if (token == nullptr) return std::nullopt;
  if (!is_signed(kTokenHeader, authorization.signed_headers)) return unsigned_header(kTokenHeader);
  session_token = *token;
  return std::nullopt;
}

std::variant<Verifier::Claim, AuthError> Verifier::Claim::in_header(const wire::RequestHead& head,
                                                                    std::string_view header) {
  auto parsed = parse_authorization(header);
  if (auto* error = std::get_if<AuthError>(&parsed)) return std::move(*error);
  Claim claim;
  claim.authorization = std::get<Authorization>(parsed);
  const std::string* timestamp = head.find("x-amz-date");
  const auto signed_at = timestamp != nullptr ? parse_iso_basic(*timestamp) : std::nullopt;
  if (!signed_at) {
    return incomplete(fmt::format(
        "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
        "Authorization={}",
        header.substr(0, 500)));
  }
  claim.timestamp = *timestamp;
  claim.signed_at = *signed_at;
  if (auto error = claim.take_token(head)) return std::move(*error);
  return claim;
}

// The decoded parameters of a presigned request.
struct Verifier::QueryClaim {
  explicit QueryClaim(std::string_view target)
      : algorithm(query_parameter(target, "X-Amz-Algorithm")),
        credential(query_parameter(target, "X-Amz-Credential").value_or("")),
        signature(query_parameter(target, "X-Amz-Signature").value_or("")),
        signed_headers(query_parameter(target, "X-Amz-SignedHeaders").value_or("")),
        date(query_parameter(target, "X-Amz-Date").value_or("")),
        expires(query_parameter(target, "X-Amz-Expires")),
        token(query_parameter(target, "X-Amz-Security-Token").value_or("")) {}

  // Good while this stays where it is.
  std::variant<Claim, AuthError> parse(const wire::RequestHead& head) const;

  const std::optional<std::string> algorithm;  // nullopt: nothing is signed in the query string
  const std::string credential;
  const std::string signature;
  const std::string signed_headers;
  const std::string date;
  const std::optional<std::string> expires;
  const std::string token;
};

std::variant<Verifier::Claim, AuthError> Verifier::QueryClaim::parse(
    const wire::RequestHead& head) const {
  std::string missing;
  const auto require = [&missing](std::string_view name, std::string_view value) {
    if (value.empty())
      missing += fmt::format("AWS query-string parameters must include '{}'. ", name);
  };
  require("X-Amz-Algorithm", *algorithm);
  require("X-Amz-Credential", credential);
  require("X-Amz-Signature", signature);
  require("X-Amz-SignedHeaders", signed_headers);
  require("X-Amz-Date", date);
  if (!missing.empty()) return incomplete(missing + "Re-examine the query-string parameters.");
  if (*algorithm != kAlgorithm) return unsupported_algorithm(*algorithm);
  Claim claim;
  if (auto error = split_credential(credential, claim.authorization)) return std::move(*error);
  claim.authorization.signed_headers = signed_headers;
  claim.authorization.signature = signature;
  const auto signed_at = parse_iso_basic(date);
  if (!signed_at) {
    return incomplete(
        fmt::format("Date must be in ISO-8601 'basic format'. Got '{}'. See "
                    "http://en.wikipedia.org/wiki/ISO_8601",
                    date.substr(0, 100)));
  }
  claim.timestamp = date;
  claim.signed_at = *signed_at;
  if (auto error = claim.take_token(head)) return std::move(*error);
  if (!token.empty()) claim.session_token = token;
  if (!expires) return claim;
  std::int64_t life = 0;
  const char* const end = expires->data() + expires->size();
  const auto [at, error] = std::from_chars(expires->data(), end, life);
  if (error != std::errc{} || at != end || life < 1 || life > kPresignedMax.count()) {
    return incomplete(fmt::format("X-Amz-Expires must be 1 to {} seconds. Got '{}'.",
                                  kPresignedMax.count(), expires->substr(0, 100)));
  }
  claim.life = seconds(life);
  return claim;
}

void Verifier::set_keys(std::shared_ptr<const KeyTable> keys) {
  keys_ = std::move(keys);
  signing_keys_.clear();
}

const Sha256Digest& Verifier::signing_key(const Authorization& authorization,
                                          std::string_view secret, std::string_view of) {
  std::string name = fmt::format("{}/{}/{}", authorization.access_key, authorization.date, of);
  if (const auto found = signing_keys_.find(name); found != signing_keys_.end())
    return found->second;
  if (signing_keys_.size() >= kCachedKeysMax) signing_keys_.clear();
  return signing_keys_
      .emplace(std::move(name), derive_key(secret, authorization.date, region_, service_))
      .first->second;
}

std::variant<Caller, AuthError> Verifier::verify(const wire::RequestHead& head,
                                                 const Sha256Digest& body_hash, WallTime now) {
  const std::string* header = head.find("authorization");
  const QueryClaim query(head.target);
  if (header == nullptr && !query.algorithm)
    return AuthError{AuthErrorType::kMissingAuthenticationToken, "Missing Authentication Token"};
  if (header != nullptr && query.algorithm) {
    return invalid(
        "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.");
  }
  auto claimed = header != nullptr ? Claim::in_header(head, *header) : query.parse(head);
  if (auto* error = std::get_if<AuthError>(&claimed)) return std::move(*error);
  const auto& claim = std::get<Claim>(claimed);
  std::string access_key(claim.authorization.access_key);
  if (keys_->accepts_any()) return Caller{std::move(access_key), nullptr};
  auto key = keys_->find(access_key);
  auto error =
      key != nullptr ? check(head, claim, *key, body_hash, now) : std::optional(invalid_token());
  if (error) {
    error->access_key = std::move(access_key);
    return std::move(*error);
  }
  return Caller{std::move(access_key), std::move(key)};
}

std::optional<AuthError> check_key(const Key& key, std::string_view session_token, WallTime now) {
  if (!key.enabled) return invalid_token();
  if (!key.fault.empty()) {
    return AuthError{AuthErrorType::kInternalFailure,
                     "The secret of this access key can't be opened now; the log says why"};
  }
  if (!equal_constant_time(session_token, key.session_token)) return invalid_token();
  if (key.expires_at && *key.expires_at <= now) {
    return AuthError{AuthErrorType::kExpiredToken,
                     "The security token included in the request is expired"};
  }
  return std::nullopt;
}

std::optional<AuthError> Verifier::check(const wire::RequestHead& head, const Claim& claim,
                                         const Key& key, const Sha256Digest& body_hash,
                                         WallTime now) {
  if (auto error = check_key(key, claim.session_token, now)) return error;
  if (auto error = check_scope(claim)) return error;
  if (auto error = check_time(claim.signed_at, claim.life, now)) return error;
  return check_signature(head, claim, key, body_hash, now);
}

std::optional<AuthError> Verifier::check_scope(const Claim& claim) const {
  const auto& authorization = claim.authorization;
  if (authorization.region != region_ || authorization.service != service_) {
    return invalid(fmt::format(
        "Credential should be scoped to a valid region: this endpoint is '{}' in region '{}', the "
        "request was signed for '{}' in '{}'. Set the client's region to '{}'.",
        service_, region_, authorization.service.substr(0, 64), authorization.region.substr(0, 64),
        region_));
  }
  if (claim.timestamp.substr(0, 8) == authorization.date) return std::nullopt;
  return invalid(
      fmt::format("Date in Credential scope does not match YYYYMMDD from ISO-8601 "
                  "version of date from HTTP: '{}' != '{}', from '{}'.",
                  authorization.date, claim.timestamp.substr(0, 8), claim.timestamp));
}

std::optional<AuthError> Verifier::check_signature(const wire::RequestHead& head,
                                                   const Claim& claim, const Key& key,
                                                   const Sha256Digest& body_hash, WallTime now) {
  const auto& authorization = claim.authorization;
  // What says where a request goes and what it does must be signed.
  if (!is_signed("host", authorization.signed_headers) &&
      !is_signed(":authority", authorization.signed_headers))
    return invalid("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.");
  if (head.find(kTargetHeader) != nullptr &&
      !is_signed(kTargetHeader, authorization.signed_headers))
    return unsigned_header(kTargetHeader);
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
  const std::string to_sign = string_to_sign(claim.timestamp, scope, canonical_);
  const auto signed_with = [&](std::string_view secret, std::string_view of) {
    return equal_constant_time(signature_of(signing_key(authorization, secret, of), to_sign),
                               authorization.signature);
  };
  if (signed_with(key.secret, "")) return std::nullopt;
  if (key.previous && now < key.previous->until && signed_with(key.previous->secret, "previous"))
    return std::nullopt;
  return invalid(
      "The request signature we calculated does not match the signature you provided. Check your "
      "AWS Secret Access Key and signing method. Consult the service documentation for details.");
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
  const auto signature = signature_of(key, string_to_sign(timestamp, scope, canonical));
  head.headers.push_back(
      {"Authorization",
       fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}", kAlgorithm,
                   credentials.access_key, scope, signed_headers, signature)});
}

}  // namespace spillway::auth
