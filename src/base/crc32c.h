// CRC32C (Castagnoli), as in RFC 3720 appendix B.4. Uses the SSE4.2 instruction.
#pragma once

#include <cstdint>
#include <string_view>

namespace spillway {

// The checksum of `bytes` behind bytes whose checksum is `before`.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t before = 0);

}  // namespace spillway
