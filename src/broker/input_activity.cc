#include "broker/input_activity.h"

#include <utility>

#include "broker/json_object.h"

namespace spillway::broker {

void InputActivity::look(std::vector<InputNow> inputs, MonoTime now) {
  on_ = std::move(inputs);
  for (auto& [name, seen] : seen_) seen.closed.set(0);
  for (const auto& input : on_) {
    auto& seen = seen_.try_emplace(input.name, metrics_, input.name).first->second;
    seen.closed.set(input.closed.empty() ? 0 : 1);
    const auto records = seen.counts.records.value();
    if (std::exchange(seen.records, records) != records) seen.last = now;
    seen.rate.look(records, now);
  }
}

std::string InputActivity::json(MonoTime now) const {
  JsonArray inputs;
  for (const auto& input : on_) {
    const auto& seen = seen_.find(input.name)->second;
    JsonObject object;
    object.add("name", input.name).add("at", input.at);
    object.add("accepted_records", seen.counts.records.value());
    object.add("records_per_second", seen.rate.per_second());
    object.add("refused_records", seen.counts.refused.value());
    object.add("malformed_records", seen.counts.malformed.value());
    if (seen.last)
      object.add("last_record_ms",
                 std::chrono::duration_cast<milliseconds>(now - *seen.last).count());
    if (input.connections) object.add("connections", *input.connections);
    if (!input.closed.empty()) object.add("closed", input.closed);
    inputs.add_raw(object.text());
  }
  return inputs.text();
}

}  // namespace spillway::broker
