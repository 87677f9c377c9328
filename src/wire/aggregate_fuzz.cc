// Arbitrary protobuf messages in a valid envelope: user records that lie inside the input, and what
// was read is written and read again unchanged.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "base/digest.h"
#include "wire/aggregate.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace spillway;
  const std::string_view message(reinterpret_cast<const char*>(data), size);
  wire::split_aggregate(message);  // almost always a plain record
  const auto digest = md5(message);
  std::string sealed = "\xf3\x89\x9a\xc2";
  sealed += message;
  sealed.append(reinterpret_cast<const char*>(digest.data()), digest.size());
  const auto records = wire::split_aggregate(sealed);
  if (!records) return 0;
  for (const auto& record : *records) {
    for (const auto text : {record.partition_key, record.data})
      SPILLWAY_ASSERT(text.data() >= sealed.data() &&
                      text.data() + text.size() <= sealed.data() + sealed.size());
  }
  const std::string again = wire::make_aggregate(*records);
  SPILLWAY_ASSERT(wire::split_aggregate(again) == *records);
  return 0;
}
