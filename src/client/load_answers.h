// What the load generator looks for in answers, without parsing them: it measures the server.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/unique_function.h"
#include "wire/document_writer.h"

namespace spillway::client {

// The values of every `"name":"…"` in `json`; views into it. Values with escapes are cut at the
// first quotation mark: iterators, shard ids, ARNs and base64 have none.
std::vector<std::string_view> find_strings(std::string_view json, std::string_view name);

// How many records a PutRecords answer says have failed.
std::size_t failed_records_in(std::string_view answer, wire::Format format);

// A record of an answer or event: its size, and its first bytes' number (kStampDigits digits; 0
// where it begins otherwise).
inline constexpr std::size_t kStampDigits = 20;
struct SeenRecord {
  std::size_t data_bytes = 0;
  std::uint64_t stamp = 0;
};
std::vector<SeenRecord> find_records(std::string_view answer, wire::Format format);

}  // namespace spillway::client
