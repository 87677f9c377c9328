#include "broker/syslog.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

#include "broker/json_object.h"
#include "broker/partition_key.h"
#include "broker/take_text.h"

namespace spillway::broker {
namespace {

constexpr std::array<std::string_view, 24> kFacilities = {
    "kern",   "user",   "mail",     "daemon", "auth",   "syslog", "lpr",    "news",
    "uucp",   "cron",   "authpriv", "ftp",    "ntp",    "audit",  "alert",  "clock",
    "local0", "local1", "local2",   "local3", "local4", "local5", "local6", "local7"};
constexpr std::array<std::string_view, 8> kSeverities = {"emerg",   "alert",  "crit", "err",
                                                         "warning", "notice", "info", "debug"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

// An element of structured data: its parameters' values by their names.
using Parameters = std::map<std::string_view, std::vector<std::string>>;
using StructuredData = std::map<std::string_view, Parameters>;

struct Parts {
  std::size_t priority = 0;
  std::string_view time;
  std::string_view host;
  std::string_view app;
  std::string_view pid;
  std::string_view msgid;
  StructuredData data;
  std::string_view message;
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// "<0>" to "<191>".
bool take_priority(std::string_view& text, std::size_t& priority) {
  if (!take(text, '<')) return false;
  const auto digits = take_until(text, ">");
  if (digits.empty() || digits.size() > 3 || !std::ranges::all_of(digits, is_digit)) return false;
  priority = 0;
  for (const char digit : digits) priority = priority * 10 + static_cast<std::size_t>(digit - '0');
  return priority < kFacilities.size() * kSeverities.size() && take(text, '>');
}

// A field of RFC 5424 and the space behind it; "-" is an empty one.
bool take_field(std::string_view& text, std::string_view& field) {
  field = take_until(text, " ");
  if (field.empty() || !take(text, ' ')) return false;
  if (field == "-") field = {};
  return true;
}

// Behind the quotation mark that begins it; nullopt where none ends it.
std::optional<std::string> take_value(std::string_view& text) {
  std::string value;
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c == '"') return value;
    if (c == ']') return std::nullopt;  // has to be escaped
    const bool escapes = c == '\\' && !text.empty() &&
                         (text.front() == '"' || text.front() == '\\' || text.front() == ']');
    value += escapes ? text.front() : c;
    if (escapes) text.remove_prefix(1);
  }
  return std::nullopt;
}

// "-", or elements: [id name="value" name="value"][id].
bool take_data(std::string_view& text, StructuredData& data) {
  if (take(text, '-')) return true;
  if (!text.starts_with('[')) return false;
  while (take(text, '[')) {
    const auto id = take_until(text, " ]=\"");
    if (id.empty()) return false;
    const auto [element, is_new] = data.try_emplace(id);
    if (!is_new) return false;
    while (take(text, ' ')) {
      const auto name = take_until(text, " ]=\"");
      if (name.empty() || !take(text, '=') || !take(text, '"')) return false;
      auto value = take_value(text);
      if (!value) return false;
      element->second[name].push_back(*std::move(value));
    }
    if (!take(text, ']')) return false;
  }
  return true;
}

// RFC 5424, behind the priority.
bool read_rfc5424(std::string_view text, Parts& parts) {
  std::string_view version;
  if (!take_field(text, version) || version != "1") return false;
  if (!take_field(text, parts.time) || !take_field(text, parts.host) ||
      !take_field(text, parts.app) || !take_field(text, parts.pid) ||
      !take_field(text, parts.msgid) || !take_data(text, parts.data))
    return false;
  if (text.empty()) return true;
  if (!take(text, ' ')) return false;
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  parts.message = text;
  return true;
}

// Whether `text` has digits where `form` has a '0' (or a space where form has '_', of a day below
// 10), and otherwise what `form` has.
bool has_form(std::string_view text, std::string_view form) {
  if (text.size() < form.size()) return false;
  for (std::size_t i = 0; i < form.size(); ++i) {
    const bool fits = form[i] == '0'   ? is_digit(text[i])
                      : form[i] == '_' ? is_digit(text[i]) || text[i] == ' '
                                       : text[i] == form[i];
    if (!fits) return false;
  }
  return true;
}

// "Nov 25 22:14:15", or as RFC 3339 has it, which is what most send today.
bool take_time(std::string_view& text, std::string_view& time) {
  constexpr std::string_view kDay = " _0 00:00:00";
  constexpr std::size_t kMonth = 3;
  if (std::ranges::find(kMonths, text.substr(0, kMonth)) != kMonths.end() &&
      has_form(text.substr(kMonth), kDay)) {
    time = text.substr(0, kMonth + kDay.size());
    text.remove_prefix(time.size());
    return true;
  }
  if (!has_form(text, "0000-00-00T00:00:00")) return false;
  time = take_until(text, " ");
  return true;
}

// RFC 3164, behind the priority: TIME HOST TAG[PID]: MESSAGE. A message without a tag has none.
bool read_rfc3164(std::string_view text, Parts& parts) {
  if (!take_time(text, parts.time) || !take(text, ' ')) return false;
  parts.host = take_until(text, " ");
  if (parts.host.empty() || !take(text, ' ')) return false;
  parts.message = text;
  const auto app = take_until(text, " :[");
  std::string_view pid;
  if (take(text, '[')) {
    pid = take_until(text, "] ");
    if (!take(text, ']')) return true;
  }
  if (app.empty() || !take(text, ':')) return true;
  take(text, ' ');
  parts.app = app;
  parts.pid = pid;
  parts.message = text;
  return true;
}

std::optional<Parts> read_parts(std::string_view text) {
  Parts parts;
  if (!take_priority(text, parts.priority)) return std::nullopt;
  if (text.starts_with("1 ")) {
    if (read_rfc5424(text, parts)) return parts;
    return std::nullopt;
  }
  if (read_rfc3164(text, parts)) return parts;
  return std::nullopt;
}

std::string data_json(const StructuredData& data) {
  JsonObject elements;
  for (const auto& [id, parameters] : data) {
    JsonObject element;
    for (const auto& [name, values] : parameters) {
      if (values.size() == 1) {
        element.add(name, values.front());
        continue;
      }
      JsonArray all;
      for (const auto& value : values) {
        std::string text;
        append_json_text(text, value);
        all.add_raw(text);
      }
      element.add_raw(name, all.text());
    }
    elements.add_raw(id, element.text());
  }
  return elements.text();
}

void add_parts(JsonObject& object, const Parts& parts) {
  object.add("facility", kFacilities[parts.priority / kSeverities.size()])
      .add("severity", kSeverities[parts.priority % kSeverities.size()]);
  const std::pair<std::string_view, std::string_view> fields[] = {{"time", parts.time},
                                                                  {"host", parts.host},
                                                                  {"app", parts.app},
                                                                  {"pid", parts.pid},
                                                                  {"msgid", parts.msgid}};
  for (const auto& [name, value] : fields)
    if (!value.empty()) object.add(name, value);
  if (!parts.data.empty()) object.add_raw("data", data_json(parts.data));
  object.add("message", parts.message);
}

}  // namespace

SyslogRecord read_syslog(const SyslogMessage& message, std::string_view peer, WallTime received) {
  SyslogRecord record;
  const auto parts = read_parts(message.text);
  JsonObject object;
  object.add("received", to_millis(received)).add("peer", peer);
  if (parts) {
    add_parts(object, *parts);
  } else {
    object.add("malformed", true).add("raw", message.text);
  }
  if (message.cut) object.add("cut", true);
  record.malformed = !parts;
  record.key = parts && is_partition_key(parts->host) ? parts->host : peer;
  record.json = object.text();
  return record;
}

}  // namespace spillway::broker
