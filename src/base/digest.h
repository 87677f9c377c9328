// MD5 (partition keys), SHA-256 and HMAC-SHA-256 (SigV4), by OpenSSL's libcrypto.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

namespace spillway {

using Md5Digest = std::array<unsigned char, 16>;
using Sha256Digest = std::array<unsigned char, 32>;

Md5Digest md5(std::string_view bytes);
Sha256Digest sha256(std::string_view bytes);
Sha256Digest hmac_sha256(std::string_view key, std::string_view bytes);

// SHA-256 of bytes as they arrive.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::string_view bytes);
  // The digest of everything since the start or the last finish; begins anew.
  Sha256Digest finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Lower-case hexadecimal.
std::string to_hex(std::string_view bytes);
template <std::size_t N>
std::string to_hex(const std::array<unsigned char, N>& digest) {
  return to_hex(std::string_view(reinterpret_cast<const char*>(digest.data()), N));
}

// Whether both are equal, in a time that depends on their lengths alone.
bool equal_constant_time(std::string_view a, std::string_view b);

}  // namespace spillway
