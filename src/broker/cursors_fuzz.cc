// Arbitrary bytes as a record of the spool's cursors, as they are and behind a right beginning:
// what is taken is written and read as the same, and no beginning of that, nor more than it, is
// taken.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "base/bytes.h"
#include "broker/cursors.h"

namespace {

using namespace spillway;
using namespace spillway::broker;

void read(std::string_view bytes) {
  const auto record = decode_cursors(bytes);
  if (!record.ok()) return;
  const std::string written = encode(*record);
  // A cursor that is there twice is written once; one of version 1 gets its numbers of ranges.
  SPILLWAY_ASSERT(written.size() <= bytes.size() + 8 * record->cursors.size());
  const auto again = decode_cursors(written);
  SPILLWAY_ASSERT(again.ok() && again->whole_at == record->whole_at);
  SPILLWAY_ASSERT(again->cursors == record->cursors && encode(*again) == written);
  for (std::size_t size = 0; size < written.size(); ++size)
    SPILLWAY_ASSERT(!decode_cursors(std::string_view(written).substr(0, size)).ok());
  SPILLWAY_ASSERT(!decode_cursors(written + '\0').ok());
}

// The first byte is the number of cursors.
void read_behind_a_beginning(std::string_view input) {
  std::string bytes;
  append_le(bytes, std::uint32_t{3});  // version, and what is zero
  append_le(bytes, std::uint32_t{static_cast<unsigned char>(input[0])});
  append_le(bytes, std::uint64_t{7});
  read(bytes.append(input.substr(1)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) return 0;  // each beginning is read
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  read(input);
  if (!input.empty()) read_behind_a_beginning(input);
  return 0;
}
