// AES-256-GCM (NIST SP 800-38D) by OpenSSL's libcrypto: encrypts bytes and proves, when they are
// decrypted, that neither they nor what was bound to them was changed.
//
// A nonce must never be used twice with a key: two messages under the same one give away both, and
// the means to forge others. Each caller says how it keeps that.
#pragma once

#include <array>
#include <string_view>

namespace spillway {

using AesKey = std::array<unsigned char, 32>;
using GcmNonce = std::array<unsigned char, 12>;
using GcmTag = std::array<unsigned char, 16>;

// Writes as many bytes as `plain` has to `out`, which may be where `plain` is. `bound` is proved
// with them and not contained in them. At most 2^31 - 1 bytes each.
GcmTag gcm_encrypt(const AesKey& key, const GcmNonce& nonce, std::string_view bound,
                   std::string_view plain, char* out);

// The reverse. False, and `out` zeroed, unless all are what gcm_encrypt() was given and gave.
[[nodiscard]] bool gcm_decrypt(const AesKey& key, const GcmNonce& nonce, std::string_view bound,
                               std::string_view encrypted, const GcmTag& tag, char* out);

}  // namespace spillway
