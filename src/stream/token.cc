#include "stream/token.h"

#include <cstring>

#include "base/aes_gcm.h"
#include "base/base64.h"
#include "base/bytes.h"

namespace spillway::stream {

namespace {

constexpr std::size_t kTokenSizeMax = 4096;  // as text
constexpr std::size_t kKeyFileSizeMax = 1024;
constexpr unsigned char kKeyFileVersion = 1;  // a u8, before the key; none in version 0
constexpr std::string_view kIteratorKind = "shard-iterator-1";

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
  GcmNonce nonce;
  entropy_.fill(nonce);
  std::string sealed(nonce.begin(), nonce.end());
  sealed.resize(nonce.size() + content.size());
  const GcmTag tag = gcm_encrypt(key_, nonce, kind, content, sealed.data() + nonce.size());
  sealed.append(tag.begin(), tag.end());
  std::string token(base64_encoded_size(sealed.size()), '\0');
  base64_encode(sealed, token.data());
  return token;
}

std::optional<std::string> TokenSealer::open(std::string_view kind, std::string_view token) const {
  if (token.size() > kTokenSizeMax) return std::nullopt;
  std::string sealed(base64_decoded_size_max(token.size()), '\0');
  const auto size = base64_decode(token, sealed.data());
  GcmNonce nonce;
  GcmTag tag;
  if (!size || *size < nonce.size() + tag.size()) return std::nullopt;
  const std::string_view encrypted =
      std::string_view(sealed).substr(nonce.size(), *size - nonce.size() - tag.size());
  std::memcpy(nonce.data(), sealed.data(), nonce.size());
  std::memcpy(tag.data(), encrypted.data() + encrypted.size(), tag.size());
  std::string content(encrypted.size(), '\0');
  if (!gcm_decrypt(key_, nonce, kind, encrypted, tag, content.data())) return std::nullopt;
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
