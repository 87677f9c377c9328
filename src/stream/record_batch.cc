#include "stream/record_batch.h"

#include <cstring>

#include "base/assert.h"
#include "base/bytes.h"

namespace spillway::stream {

namespace {

constexpr char kVersion = 1;
constexpr std::uint8_t kHasHashKey = 1;
constexpr std::uint8_t kHasOrigin = 2;
constexpr std::size_t kHashKeySize = 16;
constexpr std::size_t kOriginSize = 16 + 1 + 8 + 8;

void store_hash_key(char* to, Uint128 key) {
  for (std::size_t i = 0; i < kHashKeySize; ++i)
    to[i] = static_cast<char>(key >> (8 * (kHashKeySize - 1 - i)));
}

Uint128 load_hash_key(std::string_view bytes) {
  Uint128 key = 0;
  for (const char c : bytes) key = (key << 8) | static_cast<unsigned char>(c);
  return key;
}

void store_origin(char* to, const Origin& origin) {
  std::memcpy(to, origin.producer.data(), origin.producer.size());
  store_le(to + 16, origin.lane);
  store_le(to + 17, origin.sequence);
  store_le(to + 25, origin.previous);
}

Origin load_origin(std::string_view bytes) {
  Origin origin;
  std::memcpy(origin.producer.data(), bytes.data(), origin.producer.size());
  origin.lane = load_le<std::uint8_t>(bytes.data() + 16);
  origin.sequence = load_le<std::uint64_t>(bytes.data() + 17);
  origin.previous = load_le<std::uint64_t>(bytes.data() + 25);
  return origin;
}

}  // namespace

RecordBatchBuilder::RecordBatchBuilder(std::size_t capacity)
    : bytes_(SharedBytes::uninitialized(0, capacity)), used_(kBatchHeaderSize) {
  SPILLWAY_ASSERT(capacity >= kBatchHeaderSize);
  const char header[kBatchHeaderSize] = {kVersion, 0, 0, 0};
  std::memcpy(bytes_.mutable_data(), header, sizeof header);
}

std::size_t RecordBatchBuilder::size_of(std::size_t data, std::size_t key, bool hash_key,
                                        bool origin) {
  return kRecordOverhead + (hash_key ? kHashKeySize : 0) + (origin ? kOriginSize : 0) + key + data;
}

char* RecordBatchBuilder::open_record(std::string_view partition_key,
                                      std::optional<Uint128> explicit_hash_key,
                                      const std::optional<Origin>& origin,
                                      std::size_t data_capacity) {
  const std::size_t size = size_of(data_capacity, partition_key.size(),
                                   explicit_hash_key.has_value(), origin.has_value());
  SPILLWAY_ASSERT(open_data_at_ == 0 && used_ + size <= bytes_.capacity());
  SPILLWAY_ASSERT(partition_key.size() <= UINT16_MAX);
  char* at = bytes_.mutable_data() + used_;
  open_size_at_ = used_;
  store_le(at + 4, static_cast<std::uint16_t>(partition_key.size()));
  at[6] = static_cast<char>((explicit_hash_key ? kHasHashKey : 0) | (origin ? kHasOrigin : 0));
  at[7] = 0;
  at += kRecordOverhead;
  if (explicit_hash_key) {
    store_hash_key(at, *explicit_hash_key);
    at += kHashKeySize;
  }
  if (origin) {
    store_origin(at, *origin);
    at += kOriginSize;
  }
  if (!partition_key.empty()) std::memcpy(at, partition_key.data(), partition_key.size());
  at += partition_key.size();
  open_data_at_ = static_cast<std::size_t>(at - bytes_.mutable_data());
  return at;
}

void RecordBatchBuilder::close_record(std::size_t data_size) {
  SPILLWAY_ASSERT(open_data_at_ != 0 && open_data_at_ + data_size <= bytes_.capacity());
  store_le(bytes_.mutable_data() + open_size_at_, static_cast<std::uint32_t>(data_size));
  used_ = open_data_at_ + data_size;
  open_data_at_ = 0;
  ++count_;
}

void RecordBatchBuilder::add(const RecordView& record) {
  char* data = open_record(record.partition_key, record.explicit_hash_key, record.origin,
                           record.data.size());
  if (!record.data.empty()) std::memcpy(data, record.data.data(), record.data.size());
  close_record(record.data.size());
}

SharedBytes RecordBatchBuilder::finish() && {
  SPILLWAY_ASSERT(open_data_at_ == 0);
  bytes_.resize(used_);
  return std::move(bytes_);
}

RecordBatchReader::RecordBatchReader(std::string_view batch) : rest_(batch) {
  ok_ = batch.size() >= kBatchHeaderSize && batch[0] == kVersion && batch[1] == 0 &&
        batch[2] == 0 && batch[3] == 0;
  if (ok_) rest_.remove_prefix(kBatchHeaderSize);
}

std::optional<RecordView> RecordBatchReader::next() {
  if (!ok_ || rest_.empty()) return std::nullopt;
  ByteReader reader(rest_);
  const auto data_size = reader.integer<std::uint32_t>();
  const auto key_size = reader.integer<std::uint16_t>();
  const auto flags = reader.integer<std::uint8_t>();
  const auto zero = reader.integer<std::uint8_t>();
  RecordView record;
  if ((flags & kHasHashKey) != 0)
    record.explicit_hash_key = load_hash_key(reader.take(kHashKeySize));
  if ((flags & kHasOrigin) != 0) {
    if (const auto bytes = reader.take(kOriginSize); reader.ok())
      record.origin = load_origin(bytes);
  }
  record.partition_key = reader.take(key_size);
  record.data = reader.take(data_size);
  ok_ = reader.ok() && zero == 0 && (flags & ~(kHasHashKey | kHasOrigin)) == 0;
  if (!ok_) return std::nullopt;
  rest_ = reader.rest();
  return record;
}

}  // namespace spillway::stream
