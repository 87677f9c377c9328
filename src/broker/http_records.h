// The records of one body of the HTTP input: JSON values, one a line (NDJSON), or the elements of
// one array. A record's data is its value's bytes, as they came.
//
// Each value stands or falls by itself: one that isn't JSON, is too large or has no partition key
// where one was asked for is told with its number, and the others are records all the same.
// Numbers count lines from 1 (empty ones too, which are no records), or an array's elements.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace spillway::broker {

// Of one body; beyond, all of it is refused. As many as CloudWatch Logs takes of events.
inline constexpr std::size_t kHttpRecordsMax = 10'000;
// Of a record's data and key, as of a stream that doesn't say otherwise.
inline constexpr std::size_t kHttpRecordBytesMax = std::size_t{1} << 20;
// Readable bytes that stand behind a body.
inline constexpr std::size_t kHttpBodyPadding = 64;

enum class HttpBody { kLines, kArray };

// Where partition keys come from: the first of these that isn't empty; else each record gets one of
// its own, so that they spread over all shards.
struct PartitionKeyRule {
  std::string fixed;   // the key of all of them
  std::string member;  // the name of a member of each value, or a JSON pointer (RFC 6901): "/a/b"
};

struct HttpRecord {
  std::size_t number = 0;
  std::string_view data;  // in the body
  std::string key;
};
struct RefusedValue {
  std::size_t number = 0;
  std::string why;
};
struct HttpRecords {
  std::vector<HttpRecord> records;
  std::vector<RefusedValue> refused;
};

// kInvalid: there are more than kHttpRecordsMax values, or the array isn't one. `spread`: any
// number; keys that are made up begin there.
Result<HttpRecords> read_http_records(HttpBody kind, std::string_view body,
                                      const PartitionKeyRule& rule, std::uint64_t spread);

}  // namespace spillway::broker
