// What streams there are, and the shards of each: values, without storage or wire format.
//
// A Catalog is immutable and shared: readers hold one for the length of a request, and a change
// makes a new one that shares every stream that it does not touch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "base/uint128.h"
#include "stream/position.h"

namespace spillway::stream {

// Where a closed shard ended.
struct ShardEnd {
  Position end;  // one behind its last record
  WallTime closed_at{};
  friend bool operator==(const ShardEnd&, const ShardEnd&) = default;
};

struct ShardInfo {
  ShardId id = 0;
  std::uint32_t index = 0;           // the number in "shardId-%012u", never reused in its stream
  std::int64_t created_seconds = 0;  // since 1970; a child's is above its parents' last write
  Uint128 first_hash_key = 0;
  Uint128 last_hash_key = 0;                     // inclusive
  std::optional<std::uint32_t> parent;           // indexes
  std::optional<std::uint32_t> adjacent_parent;  // of a merge
  std::optional<ShardEnd> ended;                 // nullopt while open

  bool open() const { return !ended.has_value(); }
  friend bool operator==(const ShardInfo&, const ShardInfo&) = default;
};

enum class StreamStatus : std::uint8_t { kCreating = 0, kActive = 1, kUpdating = 2, kDeleting = 3 };
enum class StreamMode : std::uint8_t { kProvisioned = 0, kOnDemand = 1 };

// Of streams and consumers: what was last done to them takes a while, and ends by itself.
struct Lifecycle {
  StreamStatus status = StreamStatus::kActive;  // as stored; status_at() tells what it is
  WallTime settles_at{};  // when CREATING or UPDATING ends, or when what is DELETING is gone

  StreamStatus status_at(WallTime now) const;
  // It was deleted, and the time that this takes has passed: it waits to be removed.
  bool gone_at(WallTime now) const {
    return status == StreamStatus::kDeleting && settles_at <= now;
  }
  friend bool operator==(const Lifecycle&, const Lifecycle&) = default;
};

// A registered reader of a stream's shards by SubscribeToShard.
struct ConsumerInfo : Lifecycle {
  std::uint64_t id = 0;  // from the same numbers as those of streams
  WallTime created_at{};
  std::map<std::string, std::string> tags;
  std::string policy;  // resource policy, as PutResourcePolicy gave it (JSON); empty: none
  friend bool operator==(const ConsumerInfo&, const ConsumerInfo&) = default;
};

// A key that batches of a stream are encrypted with, itself encrypted under a master key; or, with
// nothing in `wrapped`, the end of encryption.
struct DataKey {
  std::uint32_t number = 0;  // batches name their key by it; never used twice in a stream
  WallTime since{};          // batches that arrived before were there before it
  std::string wrapped;       // as the master key's wrapping made it; names that key
  friend bool operator==(const DataKey&, const DataKey&) = default;
};

// Encryption of records at rest. The keys stay when encryption stops: older records need them.
struct StreamEncryption {
  bool on = false;
  std::string key_id;         // as StartStreamEncryption named it
  std::vector<DataKey> keys;  // by number, ascending; the last one encrypts what is put while `on`
  friend bool operator==(const StreamEncryption&, const StreamEncryption&) = default;
};

// UpdateStreamRecordDistributionStrategy: who chooses the shards of records.
enum class RecordDistribution : std::uint8_t { kUserPartitionKey = 0, kAuto = 1 };

// Retention is never shorter. So what expired under a shorter one than now is older still, unless a
// wall clock was ahead when that was noted: it hides nothing for longer than it is.
inline constexpr std::chrono::hours kRetentionMin{24};

struct StreamInfo : Lifecycle {
  std::uint64_t id = 0;  // never used twice in a data directory
  std::string name;
  StreamMode mode = StreamMode::kProvisioned;
  WallTime created_at{};
  std::uint32_t retention_hours = 24;
  // What arrived earlier expired under a shorter retention, and a longer one doesn't bring it back.
  WallTime expired_before{};
  std::uint32_t max_record_kib = 1024;
  std::optional<std::uint32_t> warm_throughput_mibps;
  std::map<std::string, std::string> tags;
  StreamEncryption encryption;
  std::string policy;                     // resource policy (JSON); empty: none
  std::uint32_t shard_level_metrics = 0;  // bit i: the i-th name of the model's MetricsName is on
  RecordDistribution distribution = RecordDistribution::kUserPartitionKey;
  std::vector<ShardInfo> shards;  // by index, ascending; closed ones until their data has expired
  std::map<std::string, ConsumerInfo, std::less<>> consumers;  // by name

  const ShardInfo* find_shard(std::uint32_t index) const;
  // The open shard whose range holds `key`; every key has one unless the stream is CREATING.
  const ShardInfo* open_shard_for(Uint128 key) const;
  std::size_t open_shard_count() const;
  // Records that arrived earlier have expired, whether they are stored still or not.
  WallTime horizon(WallTime now) const {
    return std::max(now - std::chrono::hours(retention_hours),
                    std::min(expired_before, now - kRetentionMin));
  }
  friend bool operator==(const StreamInfo&, const StreamInfo&) = default;
};

using StreamRef = std::shared_ptr<const StreamInfo>;

// What UpdateAccountSettings sets.
struct AccountSettings {
  bool throughput_commitment = false;  // MinimumThroughputBillingCommitment ENABLED
  WallTime commitment_began_at{};      // of the last change from DISABLED to ENABLED
  friend bool operator==(const AccountSettings&, const AccountSettings&) = default;
};

struct Catalog {
  std::uint64_t version = 0;  // rises with each change
  AccountSettings account;
  std::uint64_t next_id = 1;                              // for streams and shards alike
  std::map<std::string, StreamRef, std::less<>> streams;  // by name

  StreamRef find(std::string_view name) const;
};

using CatalogRef = std::shared_ptr<const Catalog>;

// One atomic change. The engine fills what only the log knows: where the shards in `close` end, and
// the creation second of shards whose created_seconds is 0 (max(clock, parents' last write) + 1 for
// children, the clock's second for others).
struct CatalogChange {
  std::vector<StreamInfo> put;      // new or replacing, by name
  std::vector<std::string> remove;  // names
  std::vector<ShardId> close;       // of streams in `put`; they take no record after this change
  std::uint64_t ids_used = 0;       // how many ids, from the catalog's next_id on, the change took
  std::optional<AccountSettings> account;
};

// `change` applied; it must fit (assertion). The result's version is one higher.
CatalogRef apply(const Catalog& catalog, const CatalogChange& change);

// Stored forms (docs/formats/catalog.md). Decoding bounds every count and refuses newer versions.
std::string encode(const CatalogChange& change);
Result<CatalogChange> decode_catalog_change(std::string_view bytes);
std::string encode(const Catalog& catalog);
Result<CatalogRef> decode_catalog(std::string_view bytes);

}  // namespace spillway::stream
