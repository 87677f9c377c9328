#include "stream/token.h"

#include <openssl/evp.h>

#include <cstring>

#include "base/assert.h"
#include "base/base64.h"
#include "base/bytes.h"

namespace spillway::stream {

namespace {

constexpr std::size_t kNonceSize = 12;
constexpr std::size_t kTagSize = 16;
constexpr std::size_t kTokenSizeMax = 4096;  // as text
constexpr std::size_t kKeyFileSizeMax = 1024;
constexpr unsigned char kKeyFileVersion = 1;  // a u8, before the key; none in version 0
constexpr std::string_view kIteratorKind = "shard-iterator-1";

struct ContextDeleter {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, ContextDeleter>;

const unsigned char* bytes_of(std::string_view view) {
  return reinterpret_cast<const unsigned char*>(view.data());
}
unsigned char* bytes_of(std::string& text, std::size_t at) {
  return reinterpret_cast<unsigned char*>(text.data()) + at;
}

}  // namespace

Result<TokenKey> load_or_create_token_key(io::Disk& disk, const std::string& directory,
                                          io::Entropy& entropy) {
  const std::string path = io::join_path(directory, "token.key");
  TokenKey key;
  auto stored = io::read_file(disk, path, kKeyFileSizeMax);
  if (stored.ok()) {
    std::string_view bytes = *stored;
    if (bytes.size() > key.size()) {
      const auto version = static_cast<unsigned char>(bytes.front());
      if (version > kKeyFileVersion) {
        return Error{
            ErrorCode::kUnsupported,
            fmt::format("{} has version {}; this build reads up to {}: use a newer spillway", path,
                        version, kKeyFileVersion)};
      }
      bytes.remove_prefix(1);
    }
    if (bytes.size() != key.size()) {
      return Error{ErrorCode::kCorrupt,
                   fmt::format("{} has {} bytes instead of {}: remove it (open iterators and pages "
                               "then end)",
                               path, stored->size(), 1 + key.size())};
    }
    std::memcpy(key.data(), bytes.data(), key.size());
    return key;
  }
  if (stored.error().code != ErrorCode::kNotFound) return std::move(stored).error();
  entropy.fill(key);
  std::string content(1, static_cast<char>(kKeyFileVersion));
  content.append(reinterpret_cast<const char*>(key.data()), key.size());
  SPILLWAY_TRY(io::replace_file(disk, path, content));
  return key;
}

std::string TokenSealer::seal(std::string_view kind, std::string_view content) const {
  std::string sealed(kNonceSize + content.size() + kTagSize, '\0');
  entropy_.fill(std::span(bytes_of(sealed, 0), kNonceSize));
  const CipherContext context(EVP_CIPHER_CTX_new());
  int written = 0;
  bool ok = context != nullptr &&
            EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key_.data(),
                               bytes_of(sealed, 0)) == 1 &&
            EVP_EncryptUpdate(context.get(), nullptr, &written, bytes_of(kind),
                              static_cast<int>(kind.size())) == 1 &&
            EVP_EncryptUpdate(context.get(), bytes_of(sealed, kNonceSize), &written,
                              bytes_of(content), static_cast<int>(content.size())) == 1 &&
            EVP_EncryptFinal_ex(context.get(), bytes_of(sealed, kNonceSize + content.size()),
                                &written) == 1 &&
            EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagSize,
                                bytes_of(sealed, kNonceSize + content.size())) == 1;
  SPILLWAY_ASSERT(ok);  // it fails only without memory
  std::string token(base64_encoded_size(sealed.size()), '\0');
  base64_encode(sealed, token.data());
  return token;
}

std::optional<std::string> TokenSealer::open(std::string_view kind, std::string_view token) const {
  if (token.size() > kTokenSizeMax) return std::nullopt;
  std::string sealed(base64_decoded_size_max(token.size()), '\0');
  const auto size = base64_decode(token, sealed.data());
  if (!size || *size < kNonceSize + kTagSize) return std::nullopt;
  const std::size_t content_size = *size - kNonceSize - kTagSize;
  std::string content(content_size, '\0');
  const CipherContext context(EVP_CIPHER_CTX_new());
  int written = 0;
  unsigned char end[kTagSize];
  const bool ok =
      context != nullptr &&
      EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key_.data(),
                         bytes_of(sealed, 0)) == 1 &&
      EVP_DecryptUpdate(context.get(), nullptr, &written, bytes_of(kind),
                        static_cast<int>(kind.size())) == 1 &&
      EVP_DecryptUpdate(context.get(), bytes_of(content, 0), &written, bytes_of(sealed, kNonceSize),
                        static_cast<int>(content_size)) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagSize,
                          bytes_of(sealed, kNonceSize + content_size)) == 1 &&
      EVP_DecryptFinal_ex(context.get(), end, &written) == 1;
  if (!ok) return std::nullopt;
  return content;
}

std::string seal(const TokenSealer& sealer, const ShardIterator& iterator) {
  std::string content;
  append_le(content, iterator.stream_id);
  append_le(content, iterator.shard_index);
  append_le(content, iterator.position.value);
  append_le(content, to_millis(iterator.created_at));
  content += iterator.stream_name;
  return sealer.seal(kIteratorKind, content);
}

std::optional<ShardIterator> open_iterator(const TokenSealer& sealer, std::string_view token) {
  if (token.size() >= 2 && token.starts_with('"') && token.ends_with('"'))
    token = token.substr(1, token.size() - 2);
  const auto content = sealer.open(kIteratorKind, token);
  if (!content) return std::nullopt;
  ByteReader reader(*content);
  ShardIterator iterator;
  iterator.stream_id = reader.integer<std::uint64_t>();
  iterator.shard_index = reader.integer<std::uint32_t>();
  iterator.position = Position{reader.integer<std::uint64_t>()};
  iterator.created_at = from_millis(reader.integer<std::int64_t>());
  iterator.stream_name = reader.rest();
  if (!reader.ok()) return std::nullopt;
  return iterator;
}

}  // namespace spillway::stream
