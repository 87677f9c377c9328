// Base64 as RFC 4648 has it, with padding, strictly: no white space, no missing padding, and the
// unused bits of the last digit are zero. With AVX2 where the processor has it, chosen at run time.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace spillway {

constexpr std::size_t base64_encoded_size(std::size_t bytes) { return (bytes + 2) / 3 * 4; }
// At least what base64_decode() of `text` characters writes; exact but for padding.
constexpr std::size_t base64_decoded_size_max(std::size_t text) { return text / 4 * 3; }

// Writes base64_encoded_size(bytes.size()) characters to `out`.
void base64_encode(std::string_view bytes, char* out);

// Writes the bytes of `text` to `out`, never beyond base64_decoded_size_max(text.size()), and gives
// their number; nullopt where `text` is not base64, with `out` undefined.
std::optional<std::size_t> base64_decode(std::string_view text, char* out);

// The same without wide instructions: for tests, and for processors without them.
void base64_encode_portable(std::string_view bytes, char* out);
std::optional<std::size_t> base64_decode_portable(std::string_view text, char* out);

}  // namespace spillway
