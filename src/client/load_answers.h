// What the load generator looks for in answers, without parsing them: it measures the server.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
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

// Finds the records of an answer or event as its bytes come. In CBOR it passes over data without
// looking at it, and never copies it: at a gigabyte a second each look costs the server a share of
// its cores.
class RecordFinder {
 public:
  explicit RecordFinder(wire::Format format) : json_(format == wire::Format::kJson) {}

  // The next bytes; adds the records that they complete, in CBOR those whose stamps they complete.
  void take(std::string_view bytes, std::vector<SeenRecord>& found);

 private:
  std::size_t scan_json(std::string_view bytes, std::vector<SeenRecord>& found);
  std::size_t scan_cbor(std::string_view bytes, std::vector<SeenRecord>& found);
  std::string_view pass_data(std::string_view bytes, std::vector<SeenRecord>& found);

  const bool json_;
  bool in_data_ = false;      // of a record, behind its first bytes
  std::size_t left_ = 0;      // CBOR: bytes of it
  std::size_t quarters_ = 0;  // JSON: of its bytes, so far
  std::uint64_t stamp_ = 0;   // likewise
  std::string carry_;         // the end of what came, with which a record may begin
};

// Those of a whole one.
std::vector<SeenRecord> find_records(std::string_view answer, wire::Format format);

}  // namespace spillway::client
