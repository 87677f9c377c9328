// What `spillway up` shows: pure functions of what is known at the moment.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "broker/telemetry_checker.h"
#include "io/terminal.h"

namespace spillway::cli {

// What one subject of this run has come to.
struct SubjectSeen {
  std::uint64_t records = 0;
  std::string fields;  // of the last one, as JSON
};

struct RegionSeen {
  std::string name;
  std::string address;  // "127.0.0.1:4566"
  std::string state;    // "serves", "killed", …
};

// What the broker says of itself.
struct BrokerSeen {
  std::string source;
  bool target_up = false;
  std::string used;     // the target; empty: none
  std::string because;  // why that one
  nanoseconds used_for{0};
  bool held = false;          // by a person, until it is released
  std::uint64_t spooled = 0;  // records that no target has acknowledged
  nanoseconds put_p50{0};     // of the last puts
  nanoseconds put_p99{0};
};

struct UpState {
  std::string phase;  // "starting", "flowing", "stopping the broker", …
  std::string data;   // the directory
  std::vector<RegionSeen> regions;
  std::string stream;
  nanoseconds running{0};

  std::uint64_t records = 0;  // read, of all runs
  std::uint64_t bytes = 0;
  std::uint64_t records_before = 0;  // of these, stored before this run
  double records_per_s = 0;          // of this run, in the last second
  double bytes_per_s = 0;
  std::uint64_t copies = 0;  // read in a second region, and dropped
  std::string reader;        // how the reader is
  std::string problem;       // what the broker is trying again; empty: nothing
  std::optional<BrokerSeen> broker;
  broker::CheckedTotals totals;   // of this run's source
  std::uint64_t lost_before = 0;  // of others
  std::map<std::string, SubjectSeen> subjects;
  std::deque<std::string> log;  // last lines of the children
};

// Of kUpRegions, where a switch goes that names none: to the other one than the one in use, or,
// where that is down, to the one in use, which then holds.
std::size_t region_to_switch_to(const UpState& state);

// At most size.rows lines of at most size.columns characters, the most important first; no control
// characters.
std::vector<std::string> render(const UpState& state, io::TerminalSize size);
// One line for where there is no terminal.
std::string plain_line(const UpState& state);
// At the end; several lines, the last without a newline.
std::string summary(const UpState& state, const std::vector<std::string>& problems);

// "3.1 KiB", "1.2 ms", "13.1", "1,234": for people.
std::string bytes_text(double bytes);
std::string duration_text(nanoseconds duration);
std::string count_text(std::uint64_t count);

}  // namespace spillway::cli
