#include "kinesis/record_origin.h"

#include <algorithm>

#include "base/assert.h"

namespace spillway::kinesis {

bool has_origin(const wire::Value& input) {
  const auto* records = input.find("Records");
  if (records == nullptr) {
    const auto* origin = input.find("Origin");
    return origin != nullptr && origin->present;
  }
  return std::ranges::any_of(records->children,
                             [](const wire::Value& record) { return record["Origin"].present; });
}

Result<stream::Origin> read_origin(const wire::Value& value) {
  const auto producer = stream::parse_producer(value["Producer"].text);
  const auto sequence = stream::parse_sequence(value["Sequence"].text);
  const auto previous = stream::parse_sequence(value["Previous"].text);
  SPILLWAY_ASSERT(producer && sequence && previous);  // as the shape's patterns say
  if (*previous >= *sequence) {
    return Error{ErrorCode::kInvalid,
                 fmt::format("Invalid Origin. Previous must be below Sequence. Specified values "
                             "were {} and {}",
                             *previous, *sequence)};
  }
  return stream::Origin{*producer, static_cast<std::uint8_t>(value["Lane"].integer), *sequence,
                        *previous};
}

void write_origin(wire::DocumentWriter& to, const stream::Origin& origin) {
  to.open_map().text("Producer", stream::to_string(origin.producer)).number("Lane", origin.lane);
  to.text("Sequence", fmt::format("{}", origin.sequence));
  to.text("Previous", fmt::format("{}", origin.previous)).close_map();
}

}  // namespace spillway::kinesis
