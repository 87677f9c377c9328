// What Signature Version 4 signs: a request in its canonical form, and the key that is derived from
// a secret. Internal to sigv4.cc. Rules: "Create a signed AWS API request" in the AWS IAM User
// Guide.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/time.h"
#include "wire/http.h"

namespace spillway::auth {

inline constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
inline constexpr std::string_view kTerminator = "aws4_request";

// Takes what stands before `separator` off the front; the whole rest where there is none.
std::string_view take_until(std::string_view& text, char separator);
std::string_view trimmed(std::string_view text);  // of spaces and tabs

// The value of a parameter of the target's query string, its %XX decoded; nullopt where there is no
// such parameter.
std::optional<std::string> query_parameter(std::string_view target, std::string_view name);

// Appends the canonical request, without the parameter X-Amz-Signature. False where a signed header
// is missing: its name is left in `missing`.
bool append_canonical_request(std::string& to, const wire::RequestHead& head,
                              std::string_view signed_headers, std::string_view body_hash,
                              std::string_view& missing);
std::string string_to_sign(std::string_view timestamp, std::string_view scope,
                           std::string_view canonical);
Sha256Digest derive_key(std::string_view secret, std::string_view date, std::string_view region,
                        std::string_view service);
// In lower-case hexadecimal.
std::string signature_of(const Sha256Digest& key, std::string_view text);

bool all_digits(std::string_view text);
// "20260131T235959Z"; nullopt where it is anything else.
std::optional<WallTime> parse_iso_basic(std::string_view text);

}  // namespace spillway::auth
