#include "auth/basic.h"

#include <algorithm>

#include "auth/canonical_request.h"
#include "base/base64.h"

namespace spillway::auth {

namespace {

constexpr std::string_view kScheme = "basic";

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

AuthError unknown() {
  return {AuthErrorType::kUnrecognizedClient,
          "The access key is not known, or its secret is wrong"};
}

bool has_secret(const Key& key, std::string_view secret, WallTime now) {
  if (equal_constant_time(secret, key.secret)) return true;
  return key.previous && now < key.previous->until &&
         equal_constant_time(secret, key.previous->secret);
}

}  // namespace

std::optional<BasicCredentials> parse_basic(std::string_view header) {
  std::string_view rest = trimmed(header);
  if (!wire::equal_ignoring_case(take_until(rest, ' '), kScheme)) return std::nullopt;
  rest = trimmed(rest);
  if (rest.size() > base64_encoded_size(kBasicBytesMax)) return std::nullopt;
  std::string text(base64_decoded_size_max(rest.size()), '\0');
  const auto size = base64_decode(rest, text.data());
  if (!size || *size > kBasicBytesMax) return std::nullopt;
  text.resize(*size);
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == text.size() ||
      std::ranges::any_of(text, is_control))
    return std::nullopt;
  return BasicCredentials{text.substr(0, colon), text.substr(colon + 1)};
}

std::variant<Caller, AuthError> verify_basic(const KeyTable& keys, const BasicClaim& claim,
                                             WallTime now) {
  if (keys.accepts_any()) return Caller{"", nullptr};
  if (claim.authorization == nullptr) {
    return AuthError{AuthErrorType::kMissingAuthenticationToken,
                     "An access key is needed, by HTTP Basic: its id as the user, its secret as "
                     "the password"};
  }
  auto sent = parse_basic(*claim.authorization);
  if (!sent) {
    return AuthError{AuthErrorType::kIncompleteSignature,
                     "The Authorization header must be Basic, and base64 of ID:SECRET"};
  }
  auto key = keys.find(sent->id);
  auto error = key != nullptr ? check_key(*key, claim.session_token, now) : unknown();
  if (error && error->type == AuthErrorType::kUnrecognizedClient) error = unknown();
  if (!error && !has_secret(*key, sent->secret, now)) {
    error = unknown();
    error->type = AuthErrorType::kInvalidSignature;
  }
  if (error) {
    error->access_key = std::move(sent->id);
    return std::move(*error);
  }
  return Caller{std::move(sent->id), std::move(key)};
}

}  // namespace spillway::auth
