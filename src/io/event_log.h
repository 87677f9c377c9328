// Structured logs: an event's name and its fields, as text for people or as JSON lines. Written to
// standard error through spdlog (behind event_log.cc), without blocking the caller on the terminal:
// a bounded queue of 8,192 lines whose overflow drops the oldest and counts them.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

namespace spillway::io {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

struct LogField {
  std::string_view key;
  std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool> value;
};

// Handed to whatever logs; there is no global one. Any thread.
class EventLog {
 public:
  virtual ~EventLog() = default;
  // event: a fixed phrase in the past or present tense ("segment written"); what varies goes into
  // fields.
  virtual void write(LogLevel level, std::string_view event,
                     std::initializer_list<LogField> fields) = 0;

  void info(std::string_view event, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::kInfo, event, fields);
  }
  void warning(std::string_view event, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::kWarning, event, fields);
  }
  void error(std::string_view event, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::kError, event, fields);
  }
};

enum class LogFormat { kText, kJson };

class StderrLog : public EventLog {
 public:
  // Levels below are not written from now on. Any thread.
  virtual void set_lowest(LogLevel lowest) = 0;
  // Lines that the full queue pushed out since the start.
  virtual std::uint64_t dropped() const = 0;
};

// One thread writes. The destructor writes what is queued.
std::unique_ptr<StderrLog> make_stderr_log(LogFormat format, LogLevel lowest);

// For tests and for tools that speak for themselves.
class SilentLog final : public EventLog {
 public:
  void write(LogLevel, std::string_view, std::initializer_list<LogField>) override {}
};

}  // namespace spillway::io
