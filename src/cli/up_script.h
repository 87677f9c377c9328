// What `spillway up --script` does without hands: "kill a@5s,switch b@8s,restart a@15s".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace spillway::cli {

// The regions that `spillway up` runs, in the order in which the broker prefers them.
inline constexpr std::string_view kUpRegions[] = {"a", "b"};

enum class UpVerb { kKill, kRestart, kSwitch, kRelease };

struct UpAction {
  nanoseconds at{0};  // since the start
  UpVerb verb = UpVerb::kSwitch;
  std::optional<std::size_t> region;  // of kUpRegions; a switch without one: region_to_switch_to()

  friend bool operator==(const UpAction&, const UpAction&) = default;
};

// By time, those of one time as they are written. kInvalid: says what is wrong with which action.
Result<std::vector<UpAction>> parse_script(std::string_view text);

}  // namespace spillway::cli
