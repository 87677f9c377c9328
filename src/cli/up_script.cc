#include "cli/up_script.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/time_span.h"

namespace spillway::cli {
namespace {

constexpr std::size_t kActionsMax = 1000;

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(' ');
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

std::optional<UpVerb> verb_of(std::string_view word) {
  if (word == "kill") return UpVerb::kKill;
  if (word == "restart") return UpVerb::kRestart;
  if (word == "switch") return UpVerb::kSwitch;
  if (word == "release") return UpVerb::kRelease;
  return std::nullopt;
}

std::optional<std::size_t> region_of(std::string_view name) {
  const auto* const found = std::ranges::find(kUpRegions, name);
  if (found == std::end(kUpRegions)) return std::nullopt;
  return static_cast<std::size_t>(found - std::begin(kUpRegions));
}

Result<UpAction> parse_action(std::string_view text) {
  const auto wrong = [&](std::string_view why) {
    return Error{ErrorCode::kInvalid,
                 fmt::format("--script: \"{}\" {}; write kill a@5s, restart a@15s, switch b@8s, "
                             "switch@8s or release@20s, with commas between",
                             text, why)};
  };
  const auto at = text.find('@');
  if (at == std::string_view::npos) return wrong("says no time");
  const auto what = trimmed(text.substr(0, at));
  const auto space = what.find(' ');
  const auto verb = verb_of(what.substr(0, space));
  if (!verb) return wrong("is nothing that can be done");
  UpAction action{.verb = *verb};
  if (space != std::string_view::npos) {
    action.region = region_of(trimmed(what.substr(space)));
    if (!action.region) return wrong("names another region than a and b");
  }
  if (action.verb == UpVerb::kRelease && action.region) return wrong("names a region");
  if ((action.verb == UpVerb::kKill || action.verb == UpVerb::kRestart) && !action.region)
    return wrong("names no region");
  const auto time = parse_time_span(trimmed(text.substr(at + 1)));
  if (!time.ok()) return wrong("has a time that can't be read");
  action.at = *time;
  return action;
}

}  // namespace

Result<std::vector<UpAction>> parse_script(std::string_view text) {
  std::vector<UpAction> actions;
  for (std::size_t begin = 0; begin <= text.size();) {
    const auto end = std::min(text.find(',', begin), text.size());
    if (actions.size() == kActionsMax) {
      return Error{ErrorCode::kInvalid,
                   fmt::format("--script has more than {} actions", kActionsMax)};
    }
    SPILLWAY_ASSIGN(const auto action, parse_action(trimmed(text.substr(begin, end - begin))));
    actions.push_back(action);
    begin = end + 1;
  }
  std::ranges::stable_sort(actions, {}, &UpAction::at);
  return actions;
}

}  // namespace spillway::cli
