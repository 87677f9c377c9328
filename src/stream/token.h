// Tokens that clients hold for us: shard iterators and pages. Encrypted and authenticated
// (AES-256-GCM), so that no server state stands behind them and none can be made up.
// docs/formats/tokens.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/aes_gcm.h"
#include "base/result.h"
#include "base/time.h"
#include "io/disk.h"
#include "io/entropy.h"
#include "stream/position.h"

namespace spillway::stream {

using TokenKey = AesKey;

// The key of a data directory, DIR/token.key; made at the first call. Tokens outlive restarts by
// it.
Result<TokenKey> load_or_create_token_key(io::Disk& disk, const std::string& directory,
                                          io::Entropy& entropy);

// Seals and opens tokens of one kind each: what was sealed as one kind doesn't open as another.
// Thread-safe.
class TokenSealer {
 public:
  TokenSealer(const TokenKey& key, io::Entropy& entropy) : key_(key), entropy_(entropy) {}
  // Base64 of nonce, ciphertext and tag.
  std::string seal(std::string_view kind, std::string_view content) const;
  std::optional<std::string> open(std::string_view kind, std::string_view token) const;

 private:
  const TokenKey key_;
  io::Entropy& entropy_;
};

// A place in a shard, as GetShardIterator hands it out.
struct ShardIterator {
  std::uint64_t stream_id = 0;
  std::string stream_name;
  std::uint32_t shard_index = 0;
  Position position;
  WallTime created_at{};
};

std::string seal(const TokenSealer& sealer, const ShardIterator& iterator);
// Also takes it in quotation marks, as AWS does. Nullopt for what was never sealed here.
std::optional<ShardIterator> open_iterator(const TokenSealer& sealer, std::string_view token);

}  // namespace spillway::stream
