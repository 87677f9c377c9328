// For tests: keeps what is logged. One thread.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <vector>

#include "io/event_log.h"

namespace spillway::io {

class RecordingLog final : public EventLog {
 public:
  void write(LogLevel level, std::string_view event,
             std::initializer_list<LogField> fields) override {
    events.emplace_back(event);
    if (level == LogLevel::kError) ++errors;
    text += event;
    for (const auto& field : fields) {
      if (const auto* value = std::get_if<std::string_view>(&field.value)) text += *value;
      if (const auto* count = std::get_if<std::uint64_t>(&field.value))
        text += fmt::format(" {}={}", field.key, *count);
    }
    text += '\n';
  }

  std::vector<std::string> events;
  int errors = 0;    // of them
  std::string text;  // a line for each: the event, and its fields that are text or counts
};

}  // namespace spillway::io
