// Arbitrary bytes as the marks of targets, as they are and below a first line that fits: what is
// taken is written and read as the same. And as answers to requests that overtake each other, of a
// shard whose numbers rise: nothing is found there; and once a number comes again, it is.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "base/assert.h"
#include "broker/checked_lines.h"
#include "broker/high_water.h"

namespace {

using namespace spillway;
using namespace spillway::broker;

void read(std::string_view text) {
  const auto marks = decode_high_waters(text);
  if (!marks.ok()) return;
  const auto written = encode(*marks);
  const auto again = decode_high_waters(written);
  SPILLWAY_ASSERT(again.ok() && encode(*again) == written);
}

std::vector<client::PutOutcome> outcomes_of(std::uint64_t number) {
  std::vector<client::PutOutcome> outcomes(1);
  outcomes.front().shard_id = "0";
  outcomes.front().sequence_number = std::to_string(number);
  return outcomes;
}

// Each byte sends a request, has the shard take one, or answers one.
void overtake(std::string_view steps) {
  struct Request {
    HighWaterMarks::Sent sent;
    std::uint64_t number = 0;  // 0: not taken yet
  };
  HighWaterMarks marks(true);
  std::deque<Request> requests;
  std::uint64_t number = 0;
  std::uint64_t acknowledged = 0;
  for (const char step : steps) {
    const auto value = static_cast<unsigned char>(step);
    if (requests.size() < 64 && value % 3 == 0) requests.push_back({marks.sent(), 0});
    if (requests.empty()) continue;
    const auto at = requests.begin() + (value / 3) % static_cast<std::ptrdiff_t>(requests.size());
    if (value % 3 == 1 && at->number == 0) at->number = ++number;
    if (value % 3 != 2) continue;
    if (at->number == 0) {
      marks.unanswered(at->sent);
    } else {
      SPILLWAY_ASSERT(!marks.answered(at->sent, "s", outcomes_of(at->number), WallTime{}));
      acknowledged = std::max(acknowledged, at->number);
    }
    requests.erase(at);
  }
  if (acknowledged > 0)
    SPILLWAY_ASSERT(marks.answered(marks.sent(), "s", outcomes_of(acknowledged), WallTime{}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  read(input);
  read(with_checksum({"spillway high water", "1", ""}, input));
  overtake(input);
  return 0;
}
