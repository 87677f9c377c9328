#include "stream/catalog.h"

#include "base/assert.h"
#include "base/bytes.h"

namespace spillway::stream {

namespace {

// Of both stored forms (docs/formats/catalog.md). Version 1 has no settles_at, version 2 no
// consumers, version 3 no encryption, policies, metrics of shards, distribution and account
// settings.
constexpr std::uint8_t kVersion = 5;
constexpr std::uint8_t kShardHasParent = 1;
constexpr std::uint8_t kShardHasAdjacentParent = 2;
constexpr std::uint8_t kShardEnded = 4;
constexpr std::size_t kShardSizeMin = 8 + 4 + 8 + 16 + 16 + 1;
constexpr std::size_t kDataKeySizeMin = 4 + 8 + 4;
constexpr std::size_t kConsumerSizeMin = 8 + 4 + 1 + 8 + 8 + 4;

void append_hash_key(std::string& to, Uint128 key) {
  append_le(to, static_cast<std::uint64_t>(key));
  append_le(to, static_cast<std::uint64_t>(key >> 64));
}

Uint128 read_hash_key(ByteReader& from) {
  const auto low = from.integer<std::uint64_t>();
  const auto high = from.integer<std::uint64_t>();
  return Uint128{high} << 64 | low;
}

void append_shard(std::string& to, const ShardInfo& shard) {
  append_le(to, shard.id);
  append_le(to, shard.index);
  append_le(to, shard.created_seconds);
  append_hash_key(to, shard.first_hash_key);
  append_hash_key(to, shard.last_hash_key);
  append_le(to, static_cast<std::uint8_t>((shard.parent ? kShardHasParent : 0) |
                                          (shard.adjacent_parent ? kShardHasAdjacentParent : 0) |
                                          (shard.ended ? kShardEnded : 0)));
  if (shard.parent) append_le(to, *shard.parent);
  if (shard.adjacent_parent) append_le(to, *shard.adjacent_parent);
  if (shard.ended) {
    append_le(to, shard.ended->end.value);
    append_le(to, to_millis(shard.ended->closed_at));
  }
}

ShardInfo read_shard(ByteReader& from) {
  ShardInfo shard;
  shard.id = from.integer<std::uint64_t>();
  shard.index = from.integer<std::uint32_t>();
  shard.created_seconds = from.integer<std::int64_t>();
  shard.first_hash_key = read_hash_key(from);
  shard.last_hash_key = read_hash_key(from);
  const auto flags = from.integer<std::uint8_t>();
  if ((flags & kShardHasParent) != 0) shard.parent = from.integer<std::uint32_t>();
  if ((flags & kShardHasAdjacentParent) != 0) shard.adjacent_parent = from.integer<std::uint32_t>();
  if ((flags & kShardEnded) != 0) {
    const Position end{from.integer<std::uint64_t>()};
    shard.ended = ShardEnd{end, from_millis(from.integer<std::int64_t>())};
  }
  return shard;
}

void append_tags(std::string& to, const std::map<std::string, std::string>& tags) {
  append_le(to, static_cast<std::uint32_t>(tags.size()));
  for (const auto& [key, value] : tags) {
    append_prefixed(to, key);
    append_prefixed(to, value);
  }
}

void append_encryption(std::string& to, const StreamEncryption& encryption) {
  append_le(to, static_cast<std::uint8_t>(encryption.on));
  append_prefixed(to, encryption.key_id);
  append_le(to, static_cast<std::uint32_t>(encryption.keys.size()));
  for (const auto& key : encryption.keys) {
    append_le(to, key.number);
    append_le(to, to_millis(key.since));
    append_prefixed(to, key.wrapped);
  }
}

void append_stream(std::string& to, const StreamInfo& stream) {
  append_le(to, stream.id);
  append_prefixed(to, stream.name);
  append_le(to, static_cast<std::uint8_t>(stream.status));
  append_le(to, static_cast<std::uint8_t>(stream.mode));
  append_le(to, to_millis(stream.settles_at));
  append_le(to, to_millis(stream.created_at));
  append_le(to, stream.retention_hours);
  append_le(to, stream.max_record_kib);
  // 0 stands for none: the API's least is 1.
  append_le(to, stream.warm_throughput_mibps.value_or(0));
  append_tags(to, stream.tags);
  append_le(to, static_cast<std::uint32_t>(stream.shards.size()));
  for (const auto& shard : stream.shards) append_shard(to, shard);
  append_encryption(to, stream.encryption);
  append_prefixed(to, stream.policy);
  append_le(to, stream.shard_level_metrics);
  append_le(to, static_cast<std::uint8_t>(stream.distribution));
  append_le(to, to_millis(stream.expired_before));
  append_le(to, static_cast<std::uint32_t>(stream.consumers.size()));
  for (const auto& [name, consumer] : stream.consumers) {
    append_le(to, consumer.id);
    append_prefixed(to, name);
    append_le(to, static_cast<std::uint8_t>(consumer.status));
    append_le(to, to_millis(consumer.settles_at));
    append_le(to, to_millis(consumer.created_at));
    append_tags(to, consumer.tags);
    append_prefixed(to, consumer.policy);
  }
}

void append_account(std::string& to, const AccountSettings& account) {
  append_le(to, static_cast<std::uint8_t>(account.throughput_commitment));
  append_le(to, to_millis(account.commitment_began_at));
}

// A count of things that take at least `size` bytes each: one that the rest can't hold is corrupt,
// and must not make anything be allocated.
std::uint32_t read_count(ByteReader& from, std::size_t size) {
  const auto count = from.integer<std::uint32_t>();
  if (count > from.rest().size() / size) {
    from.take(from.rest().size() + 1);
    return 0;
  }
  return count;
}

// `T` up to `last`; another value is corrupt.
template <typename T>
T read_enum(ByteReader& from, T last) {
  const auto value = from.integer<std::uint8_t>();
  if (value > static_cast<std::uint8_t>(last)) from.take(from.rest().size() + 1);
  return static_cast<T>(value);
}

std::map<std::string, std::string> read_tags(ByteReader& from) {
  std::map<std::string, std::string> tags;
  for (auto left = read_count(from, 8); left > 0; --left) {
    std::string key(from.prefixed());
    tags[std::move(key)] = from.prefixed();
  }
  return tags;
}

bool read_bool(ByteReader& from) { return read_enum(from, std::uint8_t{1}) != 0; }

StreamEncryption read_encryption(ByteReader& from) {
  StreamEncryption encryption;
  encryption.on = read_bool(from);
  encryption.key_id = from.prefixed();
  for (auto left = read_count(from, kDataKeySizeMin); left > 0; --left) {
    DataKey& key = encryption.keys.emplace_back();
    key.number = from.integer<std::uint32_t>();
    key.since = from_millis(from.integer<std::int64_t>());
    key.wrapped = from.prefixed();
  }
  return encryption;
}

AccountSettings read_account(ByteReader& from) {
  AccountSettings account;
  account.throughput_commitment = read_bool(from);
  account.commitment_began_at = from_millis(from.integer<std::int64_t>());
  return account;
}

StreamInfo read_stream(ByteReader& from, std::uint8_t version) {
  StreamInfo stream;
  stream.id = from.integer<std::uint64_t>();
  stream.name = from.prefixed();
  stream.status = read_enum(from, StreamStatus::kDeleting);
  stream.mode = read_enum(from, StreamMode::kOnDemand);
  if (version >= 2) stream.settles_at = from_millis(from.integer<std::int64_t>());
  stream.created_at = from_millis(from.integer<std::int64_t>());
  stream.retention_hours = from.integer<std::uint32_t>();
  stream.max_record_kib = from.integer<std::uint32_t>();
  if (const auto warm = from.integer<std::uint32_t>(); warm > 0)
    stream.warm_throughput_mibps = warm;
  stream.tags = read_tags(from);
  const auto shards = read_count(from, kShardSizeMin);
  stream.shards.reserve(shards);
  for (std::uint32_t i = 0; i < shards; ++i) stream.shards.push_back(read_shard(from));
  if (version >= 4) {
    stream.encryption = read_encryption(from);
    stream.policy = from.prefixed();
    stream.shard_level_metrics = from.integer<std::uint32_t>();
    stream.distribution = read_enum(from, RecordDistribution::kAuto);
  }
  if (version >= 5) stream.expired_before = from_millis(from.integer<std::int64_t>());
  for (auto left = version >= 3 ? read_count(from, kConsumerSizeMin) : 0; left > 0; --left) {
    ConsumerInfo consumer;
    consumer.id = from.integer<std::uint64_t>();
    std::string name(from.prefixed());
    consumer.status = read_enum(from, StreamStatus::kDeleting);
    consumer.settles_at = from_millis(from.integer<std::int64_t>());
    consumer.created_at = from_millis(from.integer<std::int64_t>());
    consumer.tags = read_tags(from);
    if (version >= 4) consumer.policy = from.prefixed();
    stream.consumers[std::move(name)] = std::move(consumer);
  }
  return stream;
}

Result<std::uint8_t> read_version(ByteReader& from, std::string_view what) {
  const auto version = from.integer<std::uint8_t>();
  if (!from.ok()) return Error{ErrorCode::kCorrupt, fmt::format("{}: empty", what)};
  if (version == 0) return Error{ErrorCode::kCorrupt, fmt::format("{}: no version", what)};
  if (version > kVersion) {
    return Error{ErrorCode::kUnsupported,
                 fmt::format("{} has version {}; this build reads up to {}: use a newer spillway",
                             what, version, kVersion)};
  }
  return version;
}

}  // namespace

StreamStatus Lifecycle::status_at(WallTime now) const {
  const bool settles = status == StreamStatus::kCreating || status == StreamStatus::kUpdating;
  return settles && settles_at <= now ? StreamStatus::kActive : status;
}

const ShardInfo* StreamInfo::find_shard(std::uint32_t index) const {
  const auto at = std::lower_bound(
      shards.begin(), shards.end(), index,
      [](const ShardInfo& shard, std::uint32_t wanted) { return shard.index < wanted; });
  return at != shards.end() && at->index == index ? &*at : nullptr;
}

const ShardInfo* StreamInfo::open_shard_for(Uint128 key) const {
  // Most streams were never resharded: their shards are all open and in the order of their ranges.
  const auto guess = std::upper_bound(
      shards.begin(), shards.end(), key,
      [](Uint128 wanted, const ShardInfo& shard) { return wanted < shard.first_hash_key; });
  const auto holds = [key](const ShardInfo& shard) {
    return shard.open() && shard.first_hash_key <= key && key <= shard.last_hash_key;
  };
  if (guess != shards.begin() && holds(*std::prev(guess))) return &*std::prev(guess);
  const auto found = std::find_if(shards.begin(), shards.end(), holds);
  return found != shards.end() ? &*found : nullptr;
}

std::size_t StreamInfo::open_shard_count() const {
  return static_cast<std::size_t>(
      std::count_if(shards.begin(), shards.end(), [](const ShardInfo& s) { return s.open(); }));
}

StreamRef Catalog::find(std::string_view name) const {
  const auto found = streams.find(name);
  return found != streams.end() ? found->second : nullptr;
}

CatalogRef apply(const Catalog& catalog, const CatalogChange& change) {
  auto changed = std::make_shared<Catalog>(catalog);
  ++changed->version;
  changed->next_id += change.ids_used;
  if (change.account) changed->account = *change.account;
  for (const auto& name : change.remove) SPILLWAY_ASSERT(changed->streams.erase(name) == 1);
  for (const auto& stream : change.put)
    changed->streams[stream.name] = std::make_shared<const StreamInfo>(stream);
  return changed;
}

std::string encode(const CatalogChange& change) {
  std::string bytes;
  append_le(bytes, kVersion);
  append_le(bytes, change.ids_used);
  append_le(bytes, static_cast<std::uint32_t>(change.put.size()));
  for (const auto& stream : change.put) append_stream(bytes, stream);
  append_le(bytes, static_cast<std::uint32_t>(change.remove.size()));
  for (const auto& name : change.remove) append_prefixed(bytes, name);
  append_le(bytes, static_cast<std::uint32_t>(change.close.size()));
  for (const ShardId shard : change.close) append_le(bytes, shard);
  append_le(bytes, static_cast<std::uint8_t>(change.account.has_value()));
  if (change.account) append_account(bytes, *change.account);
  return bytes;
}

Result<CatalogChange> decode_catalog_change(std::string_view bytes) {
  ByteReader reader(bytes);
  SPILLWAY_ASSIGN(const auto version, read_version(reader, "catalog change"));
  CatalogChange change;
  change.ids_used = reader.integer<std::uint64_t>();
  for (auto left = read_count(reader, 1); left > 0; --left)
    change.put.push_back(read_stream(reader, version));
  for (auto left = read_count(reader, 4); left > 0; --left)
    change.remove.emplace_back(reader.prefixed());
  for (auto left = read_count(reader, 8); left > 0; --left)
    change.close.push_back(reader.integer<std::uint64_t>());
  if (version >= 4 && read_bool(reader)) change.account = read_account(reader);
  if (!reader.at_end())
    return Error{ErrorCode::kCorrupt, "catalog change: its sizes don't add up to its length"};
  return change;
}

std::string encode(const Catalog& catalog) {
  std::string bytes;
  append_le(bytes, kVersion);
  append_le(bytes, catalog.version);
  append_le(bytes, catalog.next_id);
  append_account(bytes, catalog.account);
  append_le(bytes, static_cast<std::uint32_t>(catalog.streams.size()));
  for (const auto& [name, stream] : catalog.streams) append_stream(bytes, *stream);
  return bytes;
}

Result<CatalogRef> decode_catalog(std::string_view bytes) {
  ByteReader reader(bytes);
  SPILLWAY_ASSIGN(const auto version, read_version(reader, "catalog"));
  auto catalog = std::make_shared<Catalog>();
  catalog->version = reader.integer<std::uint64_t>();
  catalog->next_id = reader.integer<std::uint64_t>();
  if (version >= 4) catalog->account = read_account(reader);
  for (auto left = read_count(reader, 1); left > 0; --left) {
    auto stream = std::make_shared<const StreamInfo>(read_stream(reader, version));
    catalog->streams[stream->name] = stream;
  }
  if (!reader.at_end())
    return Error{ErrorCode::kCorrupt, "catalog: its sizes don't add up to its length"};
  return CatalogRef(catalog);
}

}  // namespace spillway::stream
