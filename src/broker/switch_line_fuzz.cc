// Arbitrary bytes as lines of a log of switches: none is taken that isn't written exactly so. And
// arbitrary texts in events: what is written of them reads back, follows what is before it, and
// shows each change.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "broker/switch_event.h"

namespace {

using namespace spillway;
using namespace spillway::broker;

void read_as_it_is(std::string_view input) {
  static_cast<void>(parse_switch_head(input));
  const auto line = parse_switch_line(input);
  if (line.ok()) SPILLWAY_ASSERT(switch_line(*line) == input);
  SwitchChain chain;
  const bool first = line.ok() && line->sequence == 1 && line->previous == Sha256Digest{};
  SPILLWAY_ASSERT(chain.add(input).ok() == first);
}

// The first byte picks a byte of the line to change, the second how.
void write_and_change(std::string_view input) {
  const auto at = static_cast<unsigned char>(input[0]);
  const char change = input[1];
  input.remove_prefix(2);
  SwitchEvent event;
  event.time = from_millis(1'606'312'800'123);
  event.reason = input.substr(0, input.size() / 2);
  event.who = input.substr(input.size() / 2);
  event.break_glass = change < 0;
  SwitchChain chain;
  const SwitchHead before = chain.head();
  const std::string first = chain.extend(bounded(event));
  const SwitchHead between = chain.head();
  const std::string second = chain.extend(bounded(event));
  SPILLWAY_ASSERT(first.size() <= kSwitchLineMax && first.find('\n') == std::string::npos);
  SwitchChain reader(before);
  const auto read = reader.add(first);
  SPILLWAY_ASSERT(read.ok() && reader.head() == between && bounded(*read).time == event.time);
  std::string changed = first;
  changed[at % changed.size()] = static_cast<char>(changed[at % changed.size()] ^ change);
  SwitchChain misled(before);
  const bool taken = misled.add(changed).ok();
  SPILLWAY_ASSERT((taken && misled.add(second).ok()) == (changed == first));
  SPILLWAY_ASSERT(reader.add(second).ok() && reader.head() == chain.head());
  SPILLWAY_ASSERT(parse_switch_head(to_string(chain.head())).ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  read_as_it_is(input);
  if (size >= 2) write_and_change(input);
  return 0;
}
