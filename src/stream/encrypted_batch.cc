#include "stream/encrypted_batch.h"

#include <cstring>

#include "base/assert.h"
#include "base/bytes.h"
#include "stream/record_batch.h"

namespace spillway::stream {

namespace {

constexpr char kHeader[kBatchHeaderSize] = {1, 2, 0, 0};
constexpr std::string_view kHeaderView(kHeader, sizeof kHeader);
constexpr char kPlainHeader[kBatchHeaderSize] = {1, 0, 0, 0};

std::string bound_to(const BatchPlace& place, std::uint32_t key_number) {
  std::string bound(kHeaderView);
  append_le(bound, key_number);
  append_le(bound, place.stream);
  append_le(bound, place.shard);
  append_le(bound, place.count);
  return bound;
}

}  // namespace

SharedBytes encrypt_batch(SharedBytes batch, const BatchPlace& place, std::uint32_t key_number,
                          const AesKey& key, const GcmNonce& nonce) {
  const std::size_t size = batch.size();
  SPILLWAY_ASSERT(size >= kBatchHeaderSize && size + kEncryptedBatchExtra <= batch.capacity());
  char* const data = batch.mutable_data();
  const std::string_view plain = batch.view().substr(kBatchHeaderSize);
  std::memcpy(data, kHeader, sizeof kHeader);
  const GcmTag tag =
      gcm_encrypt(key, nonce, bound_to(place, key_number), plain, data + kBatchHeaderSize);
  char* const end = data + size;
  store_le(end, key_number);
  std::memcpy(end + 4, nonce.data(), nonce.size());
  std::memcpy(end + 4 + nonce.size(), tag.data(), tag.size());
  batch.resize(size + kEncryptedBatchExtra);
  return batch;
}

bool is_encrypted(std::string_view batch) {
  return batch.starts_with(kHeaderView) && batch.size() >= kBatchHeaderSize + kEncryptedBatchExtra;
}

std::optional<std::uint32_t> data_key_number(std::string_view batch) {
  if (!is_encrypted(batch)) return std::nullopt;
  return load_le<std::uint32_t>(batch.data() + batch.size() - kEncryptedBatchExtra);
}

std::optional<SharedBytes> decrypt_batch(std::string_view batch, const BatchPlace& place,
                                         const AesKey& key) {
  const auto number = data_key_number(batch);
  if (!number) return std::nullopt;
  const std::size_t size = batch.size() - kEncryptedBatchExtra;
  const char* const end = batch.data() + size;
  GcmNonce nonce;
  std::memcpy(nonce.data(), end + 4, nonce.size());
  GcmTag tag;
  std::memcpy(tag.data(), end + 4 + nonce.size(), tag.size());
  SharedBytes plain = SharedBytes::uninitialized(size);
  std::memcpy(plain.mutable_data(), kPlainHeader, sizeof kPlainHeader);
  if (!gcm_decrypt(key, nonce, bound_to(place, *number),
                   batch.substr(kBatchHeaderSize, size - kBatchHeaderSize), tag,
                   plain.mutable_data() + kBatchHeaderSize))
    return std::nullopt;
  return plain;
}

}  // namespace spillway::stream
