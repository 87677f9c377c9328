// What a broker answers to POST /v1/switch (docs/failover.md).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace spillway::cli {

// Texts are printable.
struct SwitchAnswer {
  std::string broker;   // its name; empty: a build that doesn't say it
  std::string streams;  // with commas between them; likewise
  std::string target;   // in use now; empty: none
  bool held = false;
  bool changed = false;
  std::string because;
  std::string fault;          // empty, or what could not be recorded
  std::uint64_t receipt = 0;  // its id; 0: there is none
};

// A switch that was made stays one whatever else the answer lacks: members that say more are
// missing in those of older brokers. kCorrupt: it isn't a broker's.
Result<SwitchAnswer> parse_switch_answer(std::string_view body);
Error not_a_broker();

}  // namespace spillway::cli
