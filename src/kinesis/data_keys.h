// The keys that the batches of encrypted streams are encrypted with: made here, stored in the
// catalog wrapped under a master key, and kept here while they are used.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "auth/master_key.h"
#include "base/aes_gcm.h"
#include "io/entropy.h"
#include "stream/catalog.h"

namespace spillway::kinesis {

// A data key that was opened. Thread-safe.
class OpenDataKey {
 public:
  OpenDataKey(std::uint32_t number, const AesKey& key, std::uint64_t nonce_start)
      : number_(number), key_(key), nonce_start_(nonce_start) {}

  std::uint32_t number() const { return number_; }
  const AesKey& key() const { return key_; }
  // One that was never used with the key. Nonces are numbers of 96 bits, counted from a random
  // multiple of 2^32: how many a key has used need not be stored, and a process that opens it again
  // (after a crash, or from a backup) begins elsewhere. Two of n openings, of up to 2^32 batches
  // each, meet with a probability below n^2 / 2^64; random nonces would be allowed for 2^32 batches
  // in all, which a fast stream writes within a day.
  GcmNonce next_nonce();

 private:
  const std::uint32_t number_;
  const AesKey key_;
  const std::uint64_t nonce_start_;
  std::atomic<std::uint64_t> used_{0};
};

// Thread-safe. What it is handed must outlive it.
class DataKeys {
 public:
  DataKeys(const auth::MasterKeys& master_keys, io::Entropy& entropy)
      : master_keys_(master_keys), entropy_(entropy) {}

  // Errors are those of auth::MasterKeys.

  // A new data key, numbered behind those of `stream` and wrapped under `master_key`. No number
  // comes twice, whatever becomes of the key: the change that would store it may fail, and batches
  // that it has encrypted may be on their way.
  Result<stream::DataKey> make(const stream::StreamInfo& stream, std::string_view master_key,
                               WallTime now);
  // The one that encrypts what is put into `stream`, which is encrypted.
  Result<std::shared_ptr<OpenDataKey>> current(const stream::StreamInfo& stream);
  // kCorrupt, too, where the stream has none of that number.
  Result<std::shared_ptr<OpenDataKey>> find(const stream::StreamInfo& stream, std::uint32_t number);

 private:
  std::uint32_t next_number(const std::vector<stream::DataKey>& keys);
  Result<std::shared_ptr<OpenDataKey>> open(std::uint64_t stream_id, const stream::DataKey& key);

  const auth::MasterKeys& master_keys_;
  io::Entropy& entropy_;
  std::atomic<std::uint32_t> last_made_{0};  // the highest number

  std::mutex mutex_;           // all below
  std::uint64_t version_ = 0;  // of the master keys that open_ was opened with
  std::map<std::pair<std::uint64_t, std::uint32_t>, std::shared_ptr<OpenDataKey>> open_;
};

}  // namespace spillway::kinesis
