// Record batches as an encrypted stream stores them (encoding 2 of record_batch.h).
//
// Format, version 1 (integers little-endian; also docs/formats/record-batch.md):
//   0  u8   version = 1
//   1  u8   encoding = 2
//   2  u16  zero
//   4  the records of a plain batch, encrypted with AES-256-GCM
//   …  u32  number of the data key
//   …  [12] nonce
//   …  [16] GCM's tag
// What GCM proves besides, in this order: the first 4 bytes, the data key's number, the stream's id
// (u64), the shard (u64) and the number of records (u32). So a batch opens in its own shard only.
// Its position is not among them: it is given when the batch is appended.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/aes_gcm.h"
#include "base/shared_bytes.h"
#include "stream/position.h"

namespace spillway::stream {

// Where a batch belongs.
struct BatchPlace {
  std::uint64_t stream = 0;
  ShardId shard = 0;
  std::uint32_t count = 0;  // records in it
};

// What an encrypted batch has more than a plain one.
inline constexpr std::size_t kEncryptedBatchExtra = 4 + sizeof(GcmNonce) + sizeof(GcmTag);

// `batch`: plain, not shared, with capacity for kEncryptedBatchExtra more. Encrypts it in place.
// The nonce must never have been used with the key.
SharedBytes encrypt_batch(SharedBytes batch, const BatchPlace& place, std::uint32_t key_number,
                          const AesKey& key, const GcmNonce& nonce);

bool is_encrypted(std::string_view batch);
// The number of the data key that opens it; nullopt unless it is an encrypted batch.
std::optional<std::uint32_t> data_key_number(std::string_view batch);
// The plain batch; nullopt where it is damaged, of another place, or of another key.
std::optional<SharedBytes> decrypt_batch(std::string_view batch, const BatchPlace& place,
                                         const AesKey& key);

}  // namespace spillway::stream
