// Ed25519 signatures (RFC 8032: the plain variant, without a context), by OpenSSL's libcrypto.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace spillway {

using Ed25519Seed = std::array<unsigned char, 32>;  // the private key
using Ed25519Public = std::array<unsigned char, 32>;
using Ed25519Signature = std::array<unsigned char, 64>;

Ed25519Public ed25519_public(const Ed25519Seed& seed);
Ed25519Signature ed25519_sign(const Ed25519Seed& seed, std::string_view message);
// False for whatever isn't a point of the curve, too.
bool ed25519_verify(const Ed25519Public& key, std::string_view message,
                    const Ed25519Signature& signature);

// The private key as PKCS #8 in PEM (RFC 8410), which openssl reads and makes too.
std::string ed25519_pem(const Ed25519Seed& seed);
// Nullopt for what isn't an unencrypted Ed25519 private key.
std::optional<Ed25519Seed> ed25519_from_pem(std::string_view pem);

}  // namespace spillway
