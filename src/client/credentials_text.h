// Credentials as others write them: AWS's shared credentials file, and what a credential_process
// prints.
#pragma once

#include <optional>
#include <string_view>

#include "auth/keys.h"
#include "base/result.h"
#include "base/time.h"

namespace spillway::client {

struct TimedCredentials {
  auth::Credentials keys;
  std::optional<WallTime> until = std::nullopt;  // for ever
};

// What neither of them is longer than.
inline constexpr std::size_t kCredentialsTextMax = 1 << 16;

// The section [profile] of the file: aws_access_key_id, aws_secret_access_key and, of temporary
// keys, aws_session_token. kNotFound: it has no such section; kInvalid: keys are missing.
Result<auth::Credentials> parse_credentials_file(std::string_view text, std::string_view profile);

// {"Version": 1, "AccessKeyId": "…", "SecretAccessKey": "…", "SessionToken": "…", "Expiration":
// "2026-01-01T00:00:00Z"}, the last two where the keys are temporary. kInvalid says what is wrong,
// and never tells any of it.
Result<TimedCredentials> parse_process_credentials(std::string_view json);

}  // namespace spillway::client
