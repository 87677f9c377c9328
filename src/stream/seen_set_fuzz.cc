// Arbitrary bytes as a set of origins, as they are and under a right checksum: taken, then written
// and read as the same set; or nothing of them is.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "base/crc32c.h"
#include "stream/seen_set.h"

namespace {

using namespace spillway;
using namespace spillway::stream;

void read(std::string_view bytes) {
  SeenSet set({.lane_gaps_max = 5, .gaps_max = 20, .producers_max = 4});
  set.handled({{1}, 7, 70, 69});
  if (!set.apply(bytes).ok()) {
    SPILLWAY_ASSERT(set.producers() == 1 && set.gaps() == 0);
    SPILLWAY_ASSERT(set.offer({{1}, 7, 70, 69}, {}) == Sighting::kHandled);
    return;
  }
  SPILLWAY_ASSERT(set.producers() <= 4 && set.gaps() <= 20);
  SeenSet again;
  SPILLWAY_ASSERT(again.apply(set.snapshot()).ok());
  SPILLWAY_ASSERT(again.producers() == set.producers() && again.gaps() == set.gaps());
  // The order of producers is nobody's.
  SPILLWAY_ASSERT(again.snapshot().size() == set.snapshot().size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  read(input);
  std::string bytes("SPWYSEEN");
  append_le(bytes, crc32c(input));
  read(bytes.append(input));
  return 0;
}
