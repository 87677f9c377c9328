// Arbitrary stored bytes: records within them, or corrupt; and catalogs likewise.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "stream/catalog.h"
#include "stream/encrypted_batch.h"
#include "stream/record_batch.h"
#include "stream/sequence_number.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace spillway::stream;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  RecordBatchReader reader(input);
  std::size_t total = 0;
  while (const auto record = reader.next())
    total += record->data.size() + record->partition_key.size();
  SPILLWAY_ASSERT(total <= size);
  SPILLWAY_ASSERT(!decrypt_batch(input, {1, 2, 3}, spillway::AesKey{}).has_value());
  if (const auto change = decode_catalog_change(input); change.ok())
    SPILLWAY_ASSERT(decode_catalog_change(encode(*change)).ok());
  if (const auto catalog = decode_catalog(input); catalog.ok())
    SPILLWAY_ASSERT(decode_catalog(encode(**catalog)).ok());
  if (const auto number = parse_sequence_number(input); number)
    SPILLWAY_ASSERT(to_string(*number) == input);
  return 0;
}
