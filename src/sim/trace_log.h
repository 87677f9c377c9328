// A log for people who look at one seed.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string>

#include "io/event_log.h"
#include "sim/scheduler.h"

namespace spillway::sim {

class TraceLog final : public io::EventLog {
 public:
  TraceLog(SimClock& clock, bool on) : clock_(clock), on_(on) {}

  void write(io::LogLevel, std::string_view event,
             std::initializer_list<io::LogField> fields) override {
    if (!on_) return;
    std::string line(event);
    for (const auto& field : fields) {
      line += fmt::format(" {}=", field.key);
      std::visit([&line](const auto& value) { line += fmt::format("{}", value); }, field.value);
    }
    say(line);
  }
  // On standard error, behind the seconds since the beginning.
  void say(std::string_view what) {
    if (!on_) return;
    const auto since = clock_.mono_now() - began_;
    std::fputs(
        fmt::format("{:10.3f} {}\n", std::chrono::duration<double>(since).count(), what).c_str(),
        stderr);
  }

 private:
  SimClock& clock_;
  const bool on_;
  const MonoTime began_ = clock_.mono_now();
};

}  // namespace spillway::sim
