// What the built-in reader of `spillway up` has read, checked and counted.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/time.h"
#include "broker/telemetry_checker.h"
#include "cli/up_view.h"
#include "client/kinesis_client.h"

namespace spillway::cli {

class UpSeen {
 public:
  static constexpr std::size_t kSubjectsShown = 200;

  // `started`: of this run. `horizon`: as TelemetryChecker has it.
  UpSeen(WallTime started, WallTime horizon, MonoTime now)
      : started_(started), checker_(horizon), shown_(now) {}

  // `source`: this run's, empty while it isn't known. What is no telemetry is counted alone.
  void add(const std::vector<client::Record>& records, const std::string& source);

  // Counts, and rates over what came since the last call.
  void show(MonoTime now, const std::string& source, UpState& state);
  // At the end, when all was read.
  void show_final(const std::string& source, UpState& state) const;
  const broker::TelemetryChecker& checker() const { return checker_; }

 private:
  const WallTime started_;
  broker::TelemetryChecker checker_;
  std::map<std::string, SubjectSeen> subjects_;
  std::uint64_t records_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t records_before_ = 0;
  std::uint64_t new_records_ = 0;  // since the last show()
  std::uint64_t new_bytes_ = 0;
  MonoTime shown_;
};

}  // namespace spillway::cli
