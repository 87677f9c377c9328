#include "stream/record_batch.h"

#include "base/digest.h"
#include "base/random.h"

namespace spillway::stream {
namespace {

struct Record {
  std::string key;
  std::string data;
  std::optional<Uint128> hash_key;
  std::optional<Origin> origin;
};

Record random_record(Random& random) {
  Record record;
  record.key.assign(random.below(40), 'k');
  record.data.assign(random.below(2000), static_cast<char>(random.next()));
  if (random.one_in(3)) record.hash_key = (Uint128{random.next()} << 64) | random.next();
  if (random.one_in(3)) {
    Origin origin;
    for (auto& byte : origin.producer) byte = static_cast<unsigned char>(random.next());
    origin.lane = static_cast<std::uint8_t>(random.next());
    origin.sequence = random.next();
    origin.previous = random.next();
    record.origin = origin;
  }
  return record;
}

SharedBytes batch_of(const std::vector<Record>& records) {
  std::size_t size = kBatchHeaderSize;
  for (const auto& record : records)
    size += RecordBatchBuilder::size_of(record.data.size(), record.key.size(),
                                        record.hash_key.has_value(), record.origin.has_value());
  RecordBatchBuilder builder(size);
  for (const auto& record : records)
    builder.add({record.key, record.data, record.hash_key, record.origin});
  EXPECT_EQ(builder.size(), size);
  EXPECT_EQ(builder.count(), records.size());
  return std::move(builder).finish();
}

TEST(RecordBatch, GivesBackWhatWasPutIn) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    std::vector<Record> records(random.below(20));
    for (auto& record : records) record = random_record(random);
    const SharedBytes batch = batch_of(records);
    RecordBatchReader reader(batch.view());
    for (const auto& record : records) {
      const auto read = reader.next();
      ASSERT_TRUE(read.has_value());
      EXPECT_EQ(read->partition_key, record.key);
      EXPECT_EQ(read->data, record.data);
      EXPECT_TRUE(read->explicit_hash_key == record.hash_key);
      EXPECT_EQ(read->origin, record.origin);
    }
    EXPECT_FALSE(reader.next().has_value());
    EXPECT_TRUE(reader.ok());
  }
}

TEST(RecordBatch, HasTheDescribedBytes) {
  RecordBatchBuilder builder(64);
  builder.add({.partition_key = "k", .data = "ab", .explicit_hash_key = Uint128{1}, .origin = {}});
  const SharedBytes batch = std::move(builder).finish();
  EXPECT_EQ(to_hex(batch.view()),
            "01000000"  // version, encoding
            "02000000"
            "0100"
            "01"
            "00"                                // sizes, flags
            "00000000000000000000000000000001"  // hash key, big-endian
            "6b6162");
}

TEST(RecordBatch, CutAnywhereItIsCorruptOrShorter) {
  Random random(3);
  std::vector<Record> records(4);
  for (auto& record : records) record = random_record(random);
  const SharedBytes batch = batch_of(records);
  for (std::size_t size = 0; size < batch.size(); ++size) {
    RecordBatchReader reader(batch.view().substr(0, size));
    std::size_t read = 0;
    while (reader.next()) ++read;
    EXPECT_LT(read, records.size());
  }
}

TEST(RecordBatch, IsFilledInPlace) {
  RecordBatchBuilder builder(100);
  char* at = builder.open_record("key", std::nullopt, std::nullopt, 50);
  std::memcpy(at, "shorter", 7);
  builder.close_record(7);
  const SharedBytes batch = std::move(builder).finish();
  RecordBatchReader reader(batch.view());
  EXPECT_EQ(reader.next()->data, "shorter");
  EXPECT_FALSE(reader.next().has_value());
  EXPECT_TRUE(reader.ok());
}

}  // namespace
}  // namespace spillway::stream
