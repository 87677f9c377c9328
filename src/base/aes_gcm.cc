#include "base/aes_gcm.h"

#include <openssl/evp.h>

#include <climits>
#include <cstring>
#include <memory>

#include "base/assert.h"

namespace spillway {

namespace {

enum Direction : int { kDecrypt = 0, kEncrypt = 1 };

struct ContextDeleter {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};

// One a thread, with its cipher looked up once: that and the allocation take longer than a small
// message.
EVP_CIPHER_CTX* cipher_context() {
  thread_local const std::unique_ptr<EVP_CIPHER_CTX, ContextDeleter> context = [] {
    EVP_CIPHER_CTX* fresh = EVP_CIPHER_CTX_new();
    SPILLWAY_ASSERT(fresh != nullptr);  // no memory
    SPILLWAY_ASSERT(
        EVP_CipherInit_ex(fresh, EVP_aes_256_gcm(), nullptr, nullptr, nullptr, kEncrypt) == 1);
    return std::unique_ptr<EVP_CIPHER_CTX, ContextDeleter>(fresh);
  }();
  return context.get();
}

const unsigned char* bytes_of(std::string_view view) {
  return reinterpret_cast<const unsigned char*>(view.data());
}

// Everything but the tag, which is all that can be wrong.
void run(EVP_CIPHER_CTX* context, Direction direction, const AesKey& key, const GcmNonce& nonce,
         std::string_view bound, std::string_view in, char* out) {
  SPILLWAY_ASSERT(bound.size() <= INT_MAX && in.size() <= INT_MAX);
  int written = 0;
  bool ok = EVP_CipherInit_ex(context, nullptr, nullptr, key.data(), nonce.data(), direction) == 1;
  if (!bound.empty()) {
    ok = ok && EVP_CipherUpdate(context, nullptr, &written, bytes_of(bound),
                                static_cast<int>(bound.size())) == 1;
  }
  if (!in.empty()) {
    ok = ok && EVP_CipherUpdate(context, reinterpret_cast<unsigned char*>(out), &written,
                                bytes_of(in), static_cast<int>(in.size())) == 1;
  }
  SPILLWAY_ASSERT(ok);
}

}  // namespace

GcmTag gcm_encrypt(const AesKey& key, const GcmNonce& nonce, std::string_view bound,
                   std::string_view plain, char* out) {
  EVP_CIPHER_CTX* context = cipher_context();
  run(context, kEncrypt, key, nonce, bound, plain, out);
  GcmTag tag;
  unsigned char nothing[1];
  int written = 0;
  const bool ok =
      EVP_CipherFinal_ex(context, nothing, &written) == 1 &&
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, int{tag.size()}, tag.data()) == 1;
  SPILLWAY_ASSERT(ok);
  return tag;
}

bool gcm_decrypt(const AesKey& key, const GcmNonce& nonce, std::string_view bound,
                 std::string_view encrypted, const GcmTag& tag, char* out) {
  EVP_CIPHER_CTX* context = cipher_context();
  run(context, kDecrypt, key, nonce, bound, encrypted, out);
  GcmTag expected = tag;
  unsigned char nothing[1];
  int written = 0;
  const bool ok = EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, int{expected.size()},
                                      expected.data()) == 1 &&
                  EVP_CipherFinal_ex(context, nothing, &written) == 1;
  // What was decrypted so far is anybody's.
  if (!ok && !encrypted.empty()) std::memset(out, 0, encrypted.size());
  return ok;
}

}  // namespace spillway
