// Base64 for texts that people paste (RFC 4648, section 5): '-' and '_' instead of '+' and '/', and
// no padding. Strict as base64.h: each text of bytes has one form only.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace spillway {

std::string base64url_encode(std::string_view bytes);
std::optional<std::string> base64url_decode(std::string_view text);

}  // namespace spillway
