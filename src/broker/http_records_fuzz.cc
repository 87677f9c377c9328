// Arbitrary bytes as a body of the HTTP input, as lines and as an array: each record is a value of
// its own, in the body's order, and can be read again alone; every number is told once.
#include <cstddef>
#include <cstdint>
#include <set>

#include "base/assert.h"
#include "broker/http_records.h"
#include "broker/partition_key.h"

namespace {

using namespace spillway;
using namespace spillway::broker;

std::string padded(std::string_view text) {
  std::string body(text);
  body.reserve(body.size() + kHttpBodyPadding);
  return body;
}

void read(HttpBody kind, std::string_view input, const PartitionKeyRule& rule) {
  const std::string body = padded(input);
  const auto all = read_http_records(kind, body, rule, 1);
  if (!all.ok()) return;
  std::set<std::size_t> numbers;
  const char* behind = body.data();
  for (const auto& record : all->records) {
    SPILLWAY_ASSERT(record.data.data() >= behind && !record.data.empty());
    behind = record.data.data() + record.data.size();
    SPILLWAY_ASSERT(behind <= body.data() + body.size());
    SPILLWAY_ASSERT(is_partition_key(record.key) && numbers.insert(record.number).second);
    const std::string alone = padded("[" + std::string(record.data) + "]");
    const auto again = read_http_records(HttpBody::kArray, alone, rule, 1);
    SPILLWAY_ASSERT(again.ok() && again->records.size() == 1);
    SPILLWAY_ASSERT(again->records[0].data == record.data);
  }
  for (const auto& refused : all->refused)
    SPILLWAY_ASSERT(!refused.why.empty() && numbers.insert(refused.number).second);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 16 * 1024) return 0;  // each record is read twice
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  for (const auto kind : {HttpBody::kLines, HttpBody::kArray}) {
    read(kind, input, {});
    read(kind, input, {"", "key"});
    read(kind, input, {"", "/a/0"});
  }
  return 0;
}
