// One seed: an embedded engine on a simulated disk, with a workload, crashes, restarts, failing
// calls, a disk that fills up, time that passes, and the model that holds every answer against what
// is there afterwards.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_set>

#include "base/result.h"
#include "engine/embedded/embedded_engine.h"
#include "sim/engine_model.h"
#include "sim/history.h"
#include "sim/scheduler.h"
#include "sim/sim_disk.h"

namespace spillway::sim {

// What the runs have been through.
struct Coverage {
  std::uint64_t seeds = 0;
  // Crashes at a call, by what the call was for, or what was under way: each is of another I/O call
  // or another pattern of loss.
  std::map<std::string, std::uint64_t> crash_points;
  std::map<std::string, std::uint64_t> faults;  // failed calls, refusals for want of space, flips
  std::map<std::string, std::uint64_t> losses;  // crash points, by what the crash left
  std::uint64_t crash_points_in_all = 0;
  // Of what led to each and of what it left: the crash points that are distinct.
  std::unordered_set<std::uint64_t> distinct_crash_points;
  std::uint64_t recoveries = 0;
  std::uint64_t acknowledged = 0;  // records
  std::uint64_t checked = 0;       // records found again, summed over all restarts
  std::uint64_t damage_reported = 0;

  void add(const Coverage& other);
};

struct WorldOptions {
  std::uint64_t seed = 0;
  std::uint64_t crashes = 42;  // after which the run ends
  bool trace = false;          // tell what happens on standard error
};

struct WorldResult {
  Status status;  // what the engine did wrong
  Coverage coverage;
  std::uint64_t history = 0;  // the same for every run of a seed
  std::uint64_t events = 0;
};

WorldResult run_world(const WorldOptions& options);

}  // namespace spillway::sim
