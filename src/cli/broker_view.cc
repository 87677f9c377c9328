#include "cli/broker_view.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "cli/json_members.h"
#include "cli/text_output.h"

namespace spillway::cli {
namespace {

using simdjson::dom::element;

std::string duration(std::int64_t millis) {
  const std::int64_t seconds = millis / 1000;
  if (seconds < 120) return fmt::format("{} s", seconds);
  return seconds < 2 * 3600     ? fmt::format("{} min", seconds / 60)
         : seconds < 2 * 86'400 ? fmt::format("{} h", seconds / 3600)
                                : fmt::format("{} days", seconds / 86'400);
}

// Of switches: who made the one that holds, and what grants allow. Empty where there is nothing to
// tell.
std::string switch_view(const element& status) {
  element of;
  if (status["switch"].get(of) != simdjson::SUCCESS) return "";
  std::string view;
  if (flag_of(of, "held")) {
    view +=
        fmt::format("held since {} by {}{}: {}\n", text_of(of, "since"), text_of(of, "by"),
                    flag_of(of, "break_glass") ? ", WITHOUT A GRANT (the glass was broken)" : "",
                    text_of(of, "why"));
  }
  if (text_of(of, "approval") == "grant") {
    const auto until = text_of(of, "own_until");
    view += until.empty() ? "no grant allows the broker to switch by itself\n"
                          : fmt::format("grants allow the broker to switch by itself until {}{}\n",
                                        until, flag_of(of, "grants_ending") ? ", SOON" : "");
  }
  const auto refused = text_of(of, "refused");
  if (!refused.empty()) view += refused + "\n";
  return view;
}

bool has(const element& object, std::string_view name) {
  return object.at_key(name).error() == simdjson::SUCCESS;
}

// "-" where it isn't there.
std::string age_of(const element& object, std::string_view name) {
  return has(object, name) ? duration(number_of(object, name)) : "-";
}

std::string count_of(const element& object, std::string_view name) {
  return has(object, name) ? std::to_string(number_of(object, name)) : "-";
}

std::string rate_of(const element& object) {
  return fmt::format("{:.1f}", real_of(object, "records_per_second"));
}

// What waits in the spool, and for how long.
std::string spool_view(const element& status) {
  const bool full = flag_of(status, "spool_full");
  std::string view = full ? "THE SPOOL IS FULL, records are refused\n" : "";
  view += fmt::format("{} records wait in the spool", number_of(status, "held_records"));
  if (const auto left = number_of(status, "left_behind_records"); left > 0)
    view += fmt::format(", {} of them left behind for what came later", left);
  if (has(status, "oldest_unsent_ms"))
    view += fmt::format(", the oldest for {}", age_of(status, "oldest_unsent_ms"));
  if (has(status, "runway_ms") && !full) {
    view += fmt::format("; at the present rate it lasts {} if nothing is delivered",
                        age_of(status, "runway_ms"));
  }
  view += "\n";
  const auto gives_up = text_of(status, "gives_up");
  if (!gives_up.empty())
    view += fmt::format("{}; {} were\n", gives_up, number_of(status, "dropped_records"));
  return view;
}

// A table, and an empty line behind it; nothing where no input is on.
std::string inputs_view(const element& status) {
  simdjson::dom::array inputs;
  if (status["inputs"].get(inputs) != simdjson::SUCCESS || inputs.size() == 0) return "";
  std::string view = fmt::format("  {:12}  {:>12}  {:>8}  {:>8}  {:>9}  {:>7}  {:>5}\n", "INPUT",
                                 "ACCEPTED", "PER S", "REFUSED", "MALFORMED", "LAST", "CONNS");
  for (const auto& input : inputs) {
    view +=
        fmt::format("  {:12}  {:>12}  {:>8}  {:>8}  {:>9}  {:>7}  {:>5}\n", text_of(input, "name"),
                    number_of(input, "accepted_records"), rate_of(input),
                    number_of(input, "refused_records"), number_of(input, "malformed_records"),
                    age_of(input, "last_record_ms"), count_of(input, "connections"));
  }
  for (const auto& input : inputs) {
    if (const auto why = text_of(input, "closed"); !why.empty())
      view += fmt::format("{} IS CLOSED: {}\n", text_of(input, "name"), why);
  }
  return view + "\n";
}

// Likewise; nothing where no stream has records that wait.
std::string streams_view(const element& status) {
  simdjson::dom::array streams;
  if (status["streams"].get(streams) != simdjson::SUCCESS) return "";
  std::string view;
  for (const auto& stream : streams) {
    if (number_of(stream, "held_records") == 0) continue;
    view += fmt::format("  {:>12}  {:>7}  {}\n", number_of(stream, "held_records"),
                        age_of(stream, "oldest_unsent_ms"), text_of(stream, "name"));
  }
  if (view.empty()) return "";
  return fmt::format("  {:>12}  {:>7}  {}\n{}\n", "WAITING", "OLDEST", "STREAM", view);
}

}  // namespace

Result<std::string> broker_view(std::string_view json) {
  simdjson::dom::parser parser;
  element status;
  simdjson::dom::array targets;
  if (parser.parse(json).get(status) != simdjson::SUCCESS || text_of(status, "role") != "broker" ||
      status["targets"].get(targets) != simdjson::SUCCESS)
    return Error{ErrorCode::kInvalid, "the admin port's answer is no broker's status"};
  const auto used = text_of(status, "used");
  std::string view = fmt::format("{} for {} ({}): {}\n{}{}\n{}{}",
                                 used.empty() ? "no target is used" : "records go to " + used,
                                 duration(number_of(status, "used_ms")), text_of(status, "footing"),
                                 text_of(status, "because"), spool_view(status),
                                 switch_view(status), inputs_view(status), streams_view(status));
  std::size_t width = 6;
  for (const auto& target : targets) width = std::max(width, text_of(target, "name").size());
  view += fmt::format("  {:{}}  {:9}  {:>7}  {:>12}  {:>8}  {:>9}  {}\n", "TARGET", width, "STATE",
                      "FOR", "ACKNOWLEDGED", "PER S", "MISSING", "WHY");
  for (const auto& target : targets) {
    const auto name = text_of(target, "name");
    const auto set_back = text_of(target, "set_back");
    view +=
        fmt::format("{} {:{}}  {:9}  {:>7}  {:>12}  {:>8}  {:>9}  {}\n", name == used ? '*' : ' ',
                    name, width, set_back.empty() ? text_of(target, "state") : "set back",
                    age_of(target, "state_ms"), number_of(target, "acknowledged_records"),
                    rate_of(target), count_of(target, "missing_records"),
                    set_back.empty() ? text_of(target, "reason") : set_back);
  }
  return view;
}

}  // namespace spillway::cli
