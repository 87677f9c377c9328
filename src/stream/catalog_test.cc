#include "stream/catalog.h"

#include "base/bytes.h"
#include "base/random.h"

namespace spillway::stream {
namespace {

ShardInfo random_shard(Random& random, std::uint32_t index) {
  ShardInfo shard;
  shard.id = random.next();
  shard.index = index;
  shard.created_seconds = random.between(0, 2'000'000'000);
  shard.first_hash_key = Uint128{random.next()} << 64 | random.next();
  shard.last_hash_key = Uint128{random.next()} << 64 | random.next();
  if (random.one_in(2)) shard.parent = static_cast<std::uint32_t>(random.next());
  if (random.one_in(3)) shard.adjacent_parent = static_cast<std::uint32_t>(random.next());
  if (random.one_in(2))
    shard.ended = ShardEnd{Position{random.next()}, from_millis(random.between(0, 1'000'000))};
  return shard;
}

StreamInfo random_stream(Random& random, std::string name) {
  StreamInfo stream;
  stream.id = random.next();
  stream.name = std::move(name);
  stream.status = static_cast<StreamStatus>(random.below(4));
  stream.settles_at = from_millis(random.between(0, 2'000'000'000'000));
  stream.mode = static_cast<StreamMode>(random.below(2));
  stream.created_at = from_millis(random.between(0, 2'000'000'000'000));
  stream.retention_hours = static_cast<std::uint32_t>(random.between(24, 8760));
  stream.max_record_kib = static_cast<std::uint32_t>(random.between(1024, 10240));
  if (random.one_in(2))
    stream.warm_throughput_mibps = 1 + static_cast<std::uint32_t>(random.below(9));
  for (auto tags = random.below(5); tags > 0; --tags)
    stream.tags[fmt::format("key{}", tags)] = std::string(random.below(9), 'v');
  for (auto consumers = random.below(4); consumers > 0; --consumers) {
    auto& consumer = stream.consumers[fmt::format("consumer{}", consumers)];
    consumer.id = random.next();
    consumer.status = static_cast<StreamStatus>(random.below(4));
    consumer.settles_at = from_millis(random.between(0, 2'000'000'000'000));
    consumer.created_at = from_millis(random.between(0, 2'000'000'000'000));
    if (random.one_in(2)) consumer.tags["key"] = "value";
    if (random.one_in(3)) consumer.policy = "{}";
  }
  stream.encryption.on = random.one_in(2);
  stream.encryption.key_id = random.one_in(2) ? "alias/aws/kinesis" : "";
  for (auto keys = static_cast<std::uint32_t>(random.below(3)); keys > 0; --keys)
    stream.encryption.keys.push_back(
        {keys, from_millis(static_cast<std::int64_t>(random.below(1u << 30))),
         std::string(random.below(90), 'w')});
  if (random.one_in(2)) stream.policy = R"({"Version":"2012-10-17"})";
  stream.shard_level_metrics = static_cast<std::uint32_t>(random.next());
  stream.distribution = static_cast<RecordDistribution>(random.below(2));
  if (random.one_in(2)) stream.expired_before = from_millis(random.between(0, 2'000'000'000'000));
  const auto shards = static_cast<std::uint32_t>(random.below(20));
  for (std::uint32_t i = 0; i < shards; ++i) stream.shards.push_back(random_shard(random, i * 2));
  return stream;
}

// Written by hand from docs/formats/catalog.md: what older builds stored must stay readable.
class OldCatalog : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Version, OldCatalog, testing::Values(1, 2, 3, 4));

TEST_P(OldCatalog, IsRead) {
  std::string bytes;
  bytes.push_back(static_cast<char>(GetParam()));
  append_le(bytes, std::uint64_t{2});                      // ids taken
  append_le(bytes, std::uint32_t{1});                      // one stream
  append_le(bytes, std::uint64_t{7});                      // its id
  append_prefixed(bytes, "old");                           // name
  bytes.push_back(1);                                      // active
  bytes.push_back(0);                                      // provisioned
  if (GetParam() >= 2) append_le(bytes, std::int64_t{1});  // when its status ended
  append_le(bytes, std::int64_t{1'600'000'000'000});
  append_le(bytes, std::uint32_t{48});    // hours
  append_le(bytes, std::uint32_t{1024});  // KiB
  // Warm throughput, tags and shards; consumers; streams that are removed, shards that are closed.
  append_le(bytes, std::uint32_t{0});
  append_le(bytes, std::uint32_t{0});
  append_le(bytes, std::uint32_t{0});
  if (GetParam() >= 4) {
    bytes.push_back(0);  // not encrypted
    for (int i = 0; i < 4; ++i)
      append_le(bytes, std::uint32_t{0});  // key, data keys, policy, metrics
    bytes.push_back(1);                    // Spillway chooses shards
  }
  if (GetParam() >= 3) append_le(bytes, std::uint32_t{0});
  append_le(bytes, std::uint32_t{0});
  append_le(bytes, std::uint32_t{0});
  if (GetParam() >= 4) bytes.push_back(0);  // no account settings
  const auto change = decode_catalog_change(bytes);
  ASSERT_TRUE(change.ok()) << change.error().message;
  ASSERT_EQ(change->put.size(), 1u);
  EXPECT_EQ(change->put[0].name, "old");
  EXPECT_EQ(change->put[0].retention_hours, 48u);
  EXPECT_EQ(change->put[0].status_at({}), StreamStatus::kActive);
  EXPECT_EQ(to_millis(change->put[0].created_at), 1'600'000'000'000);
  EXPECT_EQ(change->put[0].distribution == RecordDistribution::kAuto, GetParam() >= 4);
  EXPECT_EQ(to_millis(change->put[0].expired_before), 0);
}

TEST(Catalog, StatusesSettleByThemselves) {
  StreamInfo stream;
  stream.settles_at = from_millis(100);
  for (const auto status : {StreamStatus::kCreating, StreamStatus::kUpdating}) {
    stream.status = status;
    EXPECT_EQ(stream.status_at(from_millis(99)), status);
    EXPECT_EQ(stream.status_at(from_millis(100)), StreamStatus::kActive);
    EXPECT_FALSE(stream.gone_at(from_millis(100)));
  }
  stream.status = StreamStatus::kDeleting;
  EXPECT_EQ(stream.status_at(from_millis(100)), StreamStatus::kDeleting);
  EXPECT_FALSE(stream.gone_at(from_millis(99)));
  EXPECT_TRUE(stream.gone_at(from_millis(100)));
}

TEST(Catalog, ComesBackFromItsStoredForm) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    CatalogChange change;
    change.ids_used = random.below(100);
    for (auto streams = random.below(6); streams > 0; --streams)
      change.put.push_back(random_stream(random, fmt::format("stream-{}", streams)));
    for (auto removed = random.below(4); removed > 0; --removed)
      change.remove.push_back(fmt::format("gone-{}", removed));
    for (auto closed = random.below(4); closed > 0; --closed) change.close.push_back(random.next());
    if (random.one_in(2)) change.account = {random.one_in(2), from_millis(random.between(0, 99))};
    const auto decoded = decode_catalog_change(encode(change));
    ASSERT_TRUE(decoded.ok()) << decoded.error().message;
    EXPECT_EQ(decoded->account, change.account);
    EXPECT_EQ(decoded->put, change.put);
    EXPECT_EQ(decoded->remove, change.remove);
    EXPECT_EQ(decoded->close, change.close);
    EXPECT_EQ(decoded->ids_used, change.ids_used);

    change.remove.clear();
    const CatalogRef catalog = apply(Catalog{}, change);
    const auto again = decode_catalog(encode(*catalog));
    ASSERT_TRUE(again.ok()) << again.error().message;
    EXPECT_EQ((*again)->version, 1u);
    EXPECT_EQ((*again)->account, catalog->account);
    EXPECT_EQ((*again)->next_id, 1 + change.ids_used);
    ASSERT_EQ((*again)->streams.size(), catalog->streams.size());
    for (const auto& [name, stream] : catalog->streams) EXPECT_EQ(*(*again)->find(name), *stream);
  }
}

TEST(Catalog, CutOrChangedAnywhereItIsRefusedOrStillWellFormed) {
  Random random(5);
  CatalogChange change;
  change.put.push_back(random_stream(random, "a"));
  change.put.push_back(random_stream(random, "b"));
  const std::string bytes = encode(change);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_catalog_change(bytes.substr(0, size)).ok());
  EXPECT_FALSE(decode_catalog_change(bytes + "x").ok());
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << random.below(8)));
    static_cast<void>(decode_catalog_change(damaged).ok());  // must end, in bounded memory
  }
}

TEST(Catalog, NewerVersionsAreRefusedWithTheReason) {
  std::string bytes = encode(Catalog{});
  bytes[0] = 6;
  const auto decoded = decode_catalog(bytes);
  ASSERT_FALSE(decoded.ok());
  EXPECT_EQ(decoded.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(decoded.error().message, testing::HasSubstr("use a newer spillway"));
}

TEST(Catalog, ChangesShareWhatTheyDoNotTouch) {
  CatalogChange first;
  first.put.resize(2);
  first.put[0].name = "a";
  first.put[1].name = "b";
  const auto before = apply(Catalog{}, first);
  CatalogChange second;
  second.remove = {"a"};
  const auto after = apply(*before, second);
  EXPECT_EQ(after->find("a"), nullptr);
  EXPECT_EQ(after->find("b"), before->find("b"));
  EXPECT_NE(before->find("a"), nullptr) << "who holds the older catalog still sees it";
}

TEST(StreamInfo, FindsTheOpenShardOfAKey) {
  StreamInfo stream;
  const Uint128 half = Uint128{1} << 127;
  stream.shards.push_back({.id = 1, .index = 0, .first_hash_key = 0, .last_hash_key = half - 1});
  stream.shards.push_back(
      {.id = 2, .index = 1, .first_hash_key = half, .last_hash_key = kUint128Max});
  EXPECT_EQ(stream.open_shard_for(0)->id, 1u);
  EXPECT_EQ(stream.open_shard_for(half - 1)->id, 1u);
  EXPECT_EQ(stream.open_shard_for(half)->id, 2u);
  EXPECT_EQ(stream.open_shard_for(kUint128Max)->id, 2u);
  // Split shard 0: its children come last and are out of the order of ranges.
  stream.shards[0].ended = ShardEnd{};
  stream.shards.push_back({.id = 3, .index = 2, .first_hash_key = 0, .last_hash_key = 9});
  stream.shards.push_back({.id = 4, .index = 5, .first_hash_key = 10, .last_hash_key = half - 1});
  EXPECT_EQ(stream.open_shard_for(9)->id, 3u);
  EXPECT_EQ(stream.open_shard_for(10)->id, 4u);
  EXPECT_EQ(stream.open_shard_for(half)->id, 2u);
  EXPECT_EQ(stream.open_shard_count(), 3u);
  EXPECT_EQ(stream.find_shard(5)->id, 4u);
  EXPECT_EQ(stream.find_shard(3), nullptr);
}

}  // namespace
}  // namespace spillway::stream
