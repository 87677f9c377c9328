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

}  // namespace

Result<std::string> broker_view(std::string_view json) {
  simdjson::dom::parser parser;
  element status;
  simdjson::dom::array targets;
  if (parser.parse(json).get(status) != simdjson::SUCCESS || text_of(status, "role") != "broker" ||
      status["targets"].get(targets) != simdjson::SUCCESS)
    return Error{ErrorCode::kInvalid, "the admin port's answer is no broker's status"};
  const auto used = text_of(status, "used");
  const auto runway = status.at_key("runway_ms").error() == simdjson::SUCCESS
                          ? fmt::format("; at the present rate it lasts {} if nothing is delivered",
                                        duration(number_of(status, "runway_ms")))
                          : "";
  const auto gives_up = text_of(status, "gives_up");
  const auto drops = gives_up.empty() ? std::string()
                                      : fmt::format("{}; {} were\n", gives_up,
                                                    number_of(status, "dropped_records"));
  std::string view = fmt::format("{} for {} ({}): {}\n{} records wait in the spool{}\n{}{}\n",
                                 used.empty() ? "no target is used" : "records go to " + used,
                                 duration(number_of(status, "used_ms")), text_of(status, "footing"),
                                 text_of(status, "because"), number_of(status, "held_records"),
                                 runway, drops, switch_view(status));
  std::size_t width = 6;
  for (const auto& target : targets) width = std::max(width, text_of(target, "name").size());
  view += fmt::format("  {:{}}  {:9}  {:>7}  {:>14}  {:>9}  {}\n", "TARGET", width, "STATE", "FOR",
                      "ACKNOWLEDGED", "MISSING", "WHY");
  for (const auto& target : targets) {
    const auto name = text_of(target, "name");
    const auto since = target.at_key("state_ms").error() == simdjson::SUCCESS
                           ? duration(number_of(target, "state_ms"))
                           : "-";
    const auto missing = target.at_key("missing_records").error() == simdjson::SUCCESS
                             ? std::to_string(number_of(target, "missing_records"))
                             : "-";
    view +=
        fmt::format("{} {:{}}  {:9}  {:>7}  {:>14}  {:>9}  {}\n", name == used ? '*' : ' ', name,
                    width, text_of(target, "state"), since,
                    number_of(target, "acknowledged_records"), missing, text_of(target, "reason"));
  }
  return view;
}

}  // namespace spillway::cli
