// GetCallerIdentity of AWS's Security Token Service (its query protocol, XML): the Kinesis Producer
// Library asks it for the account in its streams' ARNs, and does nothing without an answer.
#pragma once

#include <string>
#include <string_view>

#include "wire/http.h"

namespace spillway::server {

inline constexpr std::string_view kCallerIdentityService =
    "sts";  // that its requests are signed for
inline constexpr std::string_view kFormContentType = "application/x-www-form-urlencoded";

// The answer to a verified request with this form as its body; InvalidAction to any other action.
wire::Response caller_identity(std::string_view form, std::string_view account,
                               std::string_view user, std::string_view access_key,
                               const std::string& request_id);
// The answer to one that wasn't verified.
wire::Response caller_identity_error(int status, std::string_view code, std::string_view message,
                                     const std::string& request_id);

}  // namespace spillway::server
