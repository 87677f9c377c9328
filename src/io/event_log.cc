#include "io/event_log.h"

#include <fmt/format.h>
#include <pthread.h>
#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>
#include <cmath>

namespace spillway::io {
namespace {

constexpr std::size_t kQueuedLines = 8192;

// JSON's escapes; bytes of 0x80 and above pass as they are (UTF-8 in, UTF-8 out).
void append_quoted(std::string& to, std::string_view text) {
  to += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
        to += "\\\"";
        break;
      case '\\':
        to += "\\\\";
        break;
      case '\n':
        to += "\\n";
        break;
      case '\r':
        to += "\\r";
        break;
      case '\t':
        to += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
          fmt::format_to(std::back_inserter(to), "\\u{:04x}", static_cast<unsigned>(c));
        else
          to += c;
    }
  }
  to += '"';
}

bool plain(std::string_view text) {
  return !text.empty() && text.find_first_of(" \t\r\n\"=\\") == std::string_view::npos &&
         std::all_of(text.begin(), text.end(), [](char c) { return c < 0 || c >= 0x20; });
}

void append_value(std::string& to, const LogField& field, LogFormat format) {
  if (const auto* text = std::get_if<std::string_view>(&field.value)) {
    if (format == LogFormat::kText && plain(*text))
      to += *text;
    else
      append_quoted(to, *text);
  } else if (const auto* real = std::get_if<double>(&field.value);
             real != nullptr && !std::isfinite(*real) && format == LogFormat::kJson) {
    to += "null";  // JSON has no other number for it
  } else {
    std::visit(
        [&to](const auto& value) {
          if constexpr (std::is_arithmetic_v<std::decay_t<decltype(value)>>)
            fmt::format_to(std::back_inserter(to), "{}", value);
        },
        field.value);
  }
}

std::string text_line(std::string_view event, std::initializer_list<LogField> fields) {
  std::string line(event);
  for (const auto& field : fields) {
    fmt::format_to(std::back_inserter(line), "  {}=", field.key);
    append_value(line, field, LogFormat::kText);
  }
  return line;
}

// What follows the time and the level in the pattern's object.
std::string json_line(std::string_view event, std::initializer_list<LogField> fields) {
  std::string line = "\"event\":";
  append_quoted(line, event);
  for (const auto& field : fields) {
    line += ',';
    append_quoted(line, field.key);
    line += ':';
    append_value(line, field, LogFormat::kJson);
  }
  line += '}';
  return line;
}

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

class SpdlogLog final : public StderrLog {
 public:
  SpdlogLog(LogFormat format, LogLevel lowest)
      : format_(format),
        pool_(std::make_shared<spdlog::details::thread_pool>(
            kQueuedLines, 1, [] { pthread_setname_np(pthread_self(), "log"); })),
        logger_(std::make_shared<spdlog::async_logger>(
            "spillway", std::make_shared<spdlog::sinks::stderr_sink_st>(), pool_,
            spdlog::async_overflow_policy::overrun_oldest)) {
    logger_->set_formatter(std::make_unique<spdlog::pattern_formatter>(
        format == LogFormat::kText ? "%Y-%m-%dT%H:%M:%S.%eZ %-7l %v"
                                   : "{\"time\":\"%Y-%m-%dT%H:%M:%S.%eZ\",\"level\":\"%l\",%v",
        spdlog::pattern_time_type::utc));
    set_lowest(lowest);
  }
  // The thread writes what is queued and ends before what it writes with goes.
  ~SpdlogLog() override { pool_.reset(); }

  void write(LogLevel level, std::string_view event,
             std::initializer_list<LogField> fields) override {
    const auto spdlog_level_of = spdlog_level(level);
    if (!logger_->should_log(spdlog_level_of)) return;
    const auto line =
        format_ == LogFormat::kText ? text_line(event, fields) : json_line(event, fields);
    logger_->log(spdlog_level_of, spdlog::string_view_t(line.data(), line.size()));
  }

  void set_lowest(LogLevel lowest) override { logger_->set_level(spdlog_level(lowest)); }
  std::uint64_t dropped() const override { return pool_->overrun_counter(); }

 private:
  const LogFormat format_;
  std::shared_ptr<spdlog::details::thread_pool> pool_;
  std::shared_ptr<spdlog::async_logger> logger_;
};

}  // namespace

std::unique_ptr<StderrLog> make_stderr_log(LogFormat format, LogLevel lowest) {
  return std::make_unique<SpdlogLog>(format, lowest);
}

}  // namespace spillway::io
