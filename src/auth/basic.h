// HTTP Basic (RFC 7617) with an access key, for protocols whose clients can't sign: the user is the
// key's id, the password its secret. A temporary key's session token comes beside it, as with a
// signature, in X-Amz-Security-Token.
//
// Unlike a signature this hands the secret over: whoever listens on a network has it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "auth/sigv4.h"

namespace spillway::auth {

struct BasicCredentials {
  std::string id;      // neither is empty
  std::string secret;  // may have colons
};

// Of both and the colon between them, before base64.
inline constexpr std::size_t kBasicBytesMax = 1024;

// The value of an Authorization header; nullopt where it is anything else than `Basic` and strict
// base64 of ID:SECRET without control characters, or longer.
std::optional<BasicCredentials> parse_basic(std::string_view header);

// What a request says of its caller.
struct BasicClaim {
  const std::string* authorization = nullptr;  // the header; nullptr: it has none
  std::string_view session_token = {};         // empty: it has none
};

// Whose request that is, or why it isn't accepted; as Verifier::verify(), but that an id that isn't
// known and a secret that is wrong are told alike to whoever asks. Any thread.
std::variant<Caller, AuthError> verify_basic(const KeyTable& keys, const BasicClaim& claim,
                                             WallTime now);

}  // namespace spillway::auth
