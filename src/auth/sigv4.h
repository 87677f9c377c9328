// AWS Signature Version 4: verifying for the server, in the Authorization header or in the query
// string (presigned requests), and signing for clients. Rules: "Create a signed AWS API request" in
// the AWS IAM User Guide; what real clients sign is in docs/compatibility.md.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>

#include "auth/keys.h"
#include "base/digest.h"
#include "base/time.h"
#include "wire/http.h"

namespace spillway::auth {

// Errors as the API names them; see status_of().
enum class AuthErrorType {
  kMissingAuthenticationToken,
  kIncompleteSignature,
  kInvalidSignature,
  kUnrecognizedClient,
  kExpiredToken,
  kInternalFailure,  // whether the signature is right can't be told now
};

struct AuthError {
  AuthErrorType type;
  std::string message;
  std::string access_key = {};  // that the request claims to be signed with, as far as it says
};
std::string_view to_string(AuthErrorType type);  // "IncompleteSignatureException"
int status_of(AuthErrorType type);

// The parts of a well-formed Authorization header; views into it.
struct Authorization {
  std::string_view access_key;
  std::string_view date;  // "20260131"
  std::string_view region;
  std::string_view service;
  std::string_view signed_headers;  // "host;x-amz-date"
  std::string_view signature;       // 64 hexadecimal digits
};
std::variant<Authorization, AuthError> parse_authorization(std::string_view header);

inline constexpr auto kClockSkewMax = std::chrono::minutes(5);
inline constexpr seconds kPresignedMax{604'800};  // a week

// Who signed a request.
struct Caller {
  std::string access_key;
  std::shared_ptr<const Key> key;  // nullptr: any is accepted, and the signature wasn't checked
};

// Why a key is good for no request now, whatever signs it; nullopt: it is. `session_token`: that of
// the request; empty: it has none.
std::optional<AuthError> check_key(const Key& key, std::string_view session_token, WallTime now);

// Of a request that there is no key to hold against, where one is needed.
AuthError no_key_yet(std::string access_key);

// Checks requests on one thread (each event loop has its own), caching the day's signing keys.
class Verifier {
 public:
  // `keys` may be replaced while requests are checked: see set_keys().
  Verifier(std::string region, std::string service, std::shared_ptr<const KeyTable> keys)
      : region_(std::move(region)), service_(std::move(service)), keys_(std::move(keys)) {}

  void set_keys(std::shared_ptr<const KeyTable> keys);

  // Who signed it, or why it isn't accepted. `body_hash`: SHA-256 of the body as it was received.
  std::variant<Caller, AuthError> verify(const wire::RequestHead& head,
                                         const Sha256Digest& body_hash, WallTime now);

 private:
  struct Claim;
  struct QueryClaim;

  std::optional<AuthError> check(const wire::RequestHead& head, const Claim& claim, const Key& key,
                                 const Sha256Digest& body_hash, WallTime now);
  std::optional<AuthError> check_scope(const Claim& claim) const;
  std::optional<AuthError> check_signature(const wire::RequestHead& head, const Claim& claim,
                                           const Key& key, const Sha256Digest& body_hash,
                                           WallTime now);
  // `of`: tells the secrets of one key from each other.
  const Sha256Digest& signing_key(const Authorization& authorization, std::string_view secret,
                                  std::string_view of);

  std::string region_;
  std::string service_;
  std::shared_ptr<const KeyTable> keys_;
  // By "access key/date/of"; cleared when it grows past kCachedKeysMax.
  std::unordered_map<std::string, Sha256Digest> signing_keys_;
  std::string canonical_;  // reused
};

// Adds X-Amz-Date, X-Amz-Security-Token (with a session token) and Authorization to `head`, signing
// host, content-type and every x-amz- header there is. The request is good for kClockSkewMax.
void sign(wire::RequestHead& head, std::string_view body, const Credentials& credentials,
          std::string_view region, std::string_view service, WallTime now);

// "20260131T235959Z".
std::string iso_basic(WallTime time);

}  // namespace spillway::auth
