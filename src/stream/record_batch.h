// The stored form of records: what one request puts into one shard. Made once, in the request, and
// then carried unchanged through journal, tail and segments to the reader.
//
// Format, version 1 (integers little-endian; also docs/formats/record-batch.md):
//   0  u8   version = 1
//   1  u8   encoding: 0 plain, 2 AES-256-GCM (encrypted_batch.h); 1, zstd, is reserved
//   2  u16  zero
//   4  records, each:
//        u32  size of data            (≤ 10 MiB)
//        u16  size of partition key   (≤ 1024: 256 characters of UTF-8)
//        u8   flags: 1 explicit hash key present, 2 origin present; others zero
//        u8   zero
//        [16] explicit hash key, big-endian
//        [33] origin: producer 16, lane u8, sequence u64, previous u64
//        partition key, data
// The number of records and the position and arrival time of the first stand beside the batch, in
// whatever holds it. A batch whose sizes don't add up to its length is corrupt.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "base/shared_bytes.h"
#include "base/uint128.h"
#include "stream/origin.h"

namespace spillway::stream {

struct RecordView {
  std::string_view partition_key;
  std::string_view data;
  std::optional<Uint128> explicit_hash_key;
  std::optional<Origin> origin;
};

inline constexpr std::size_t kRecordOverhead = 8;
inline constexpr std::size_t kBatchHeaderSize = 4;

// Fills one batch. `capacity` must hold the header and every record with its overhead, optional
// fields and key: batches are sized before they are filled, so that a body is copied once.
class RecordBatchBuilder {
 public:
  explicit RecordBatchBuilder(std::size_t capacity);

  static std::size_t size_of(std::size_t data, std::size_t key, bool hash_key, bool origin);

  void add(const RecordView& record);
  // For data that is decoded in place: opens a record with room for `data_capacity` bytes and
  // returns where they go. close_record() says how many were written.
  char* open_record(std::string_view partition_key, std::optional<Uint128> explicit_hash_key,
                    const std::optional<Origin>& origin, std::size_t data_capacity);
  void close_record(std::size_t data_size);

  std::uint32_t count() const { return count_; }
  std::size_t size() const { return used_; }
  SharedBytes finish() &&;

 private:
  SharedBytes bytes_;
  std::size_t used_ = 0;
  std::size_t open_size_at_ = 0;
  std::size_t open_data_at_ = 0;
  std::uint32_t count_ = 0;
};

// Walks the records of a batch; views into it. `next()` gives nullopt at the end, and also on
// corrupt bytes, which ok() tells apart.
class RecordBatchReader {
 public:
  explicit RecordBatchReader(std::string_view batch);
  std::optional<RecordView> next();
  bool ok() const { return ok_; }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace spillway::stream
