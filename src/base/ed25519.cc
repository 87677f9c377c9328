#include "base/ed25519.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <climits>
#include <memory>

#include "base/assert.h"

namespace spillway {

namespace {

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(BIO* bio) const { BIO_free(bio); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

const unsigned char* bytes_of(std::string_view view) {
  return reinterpret_cast<const unsigned char*>(view.data());
}

Owned<EVP_PKEY> private_key(const Ed25519Seed& seed) {
  Owned<EVP_PKEY> key(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size()));
  SPILLWAY_ASSERT(key != nullptr);  // any 32 bytes are one; no memory
  return key;
}

Owned<EVP_MD_CTX> make_context() {
  Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  SPILLWAY_ASSERT(context != nullptr);  // no memory
  return context;
}

// No passphrase, and never a question for one on the terminal.
int no_passphrase(char* /*to*/, int /*size*/, int /*writing*/, void* /*data*/) { return -1; }

}  // namespace

Ed25519Public ed25519_public(const Ed25519Seed& seed) {
  Ed25519Public made;
  std::size_t size = made.size();
  const bool ok = EVP_PKEY_get_raw_public_key(private_key(seed).get(), made.data(), &size) == 1;
  SPILLWAY_ASSERT(ok && size == made.size());
  return made;
}

Ed25519Signature ed25519_sign(const Ed25519Seed& seed, std::string_view message) {
  const auto key = private_key(seed);
  const auto context = make_context();
  Ed25519Signature signature;
  std::size_t size = signature.size();
  const bool ok = EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
                  EVP_DigestSign(context.get(), signature.data(), &size, bytes_of(message),
                                 message.size()) == 1;
  SPILLWAY_ASSERT(ok && size == signature.size());
  return signature;
}

bool ed25519_verify(const Ed25519Public& key, std::string_view message,
                    const Ed25519Signature& signature) {
  const Owned<EVP_PKEY> loaded(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.data(), key.size()));
  const auto context = make_context();
  const bool holds =
      loaded != nullptr &&
      EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, loaded.get()) == 1 &&
      EVP_DigestVerify(context.get(), signature.data(), signature.size(), bytes_of(message),
                       message.size()) == 1;
  if (!holds) ERR_clear_error();
  return holds;
}

std::string ed25519_pem(const Ed25519Seed& seed) {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  SPILLWAY_ASSERT(bio != nullptr);  // no memory
  const bool ok = PEM_write_bio_PKCS8PrivateKey(bio.get(), private_key(seed).get(), nullptr,
                                                nullptr, 0, nullptr, nullptr) == 1;
  SPILLWAY_ASSERT(ok);
  char* text = nullptr;
  const auto size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

std::optional<Ed25519Seed> ed25519_from_pem(std::string_view pem) {
  SPILLWAY_ASSERT(pem.size() <= INT_MAX);
  const Owned<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  SPILLWAY_ASSERT(bio != nullptr);  // no memory
  const Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  Ed25519Seed seed;
  std::size_t size = seed.size();
  const bool ok = key != nullptr && EVP_PKEY_get_id(key.get()) == EVP_PKEY_ED25519 &&
                  EVP_PKEY_get_raw_private_key(key.get(), seed.data(), &size) == 1 &&
                  size == seed.size();
  ERR_clear_error();
  if (!ok) return std::nullopt;
  return seed;
}

}  // namespace spillway
