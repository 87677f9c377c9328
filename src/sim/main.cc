// spillway_sim: runs seeds of the engine's simulation, or of the broker's, and tells what they went
// through.
#include <fmt/format.h>

#include <cstdio>

#include <CLI/CLI.hpp>

#include "sim/broker_world.h"
#include "sim/engine_world.h"

namespace spillway::sim {
namespace {

struct Arguments {
  std::uint64_t first = 1;
  std::uint64_t seeds = 500;
  std::uint64_t crashes = 42;
  std::uint64_t kind_min = 0;
  std::uint64_t points_min = 0;
  std::uint64_t checked_min = 0;
  bool trace = false;
};

void print(const char* title, const std::map<std::string, std::uint64_t>& counts) {
  fmt::print("{}\n", title);
  for (const auto& [name, count] : counts) fmt::print("  {:<28}{:>10}\n", name, count);
}

// The kinds of crash points and faults that a run must have been through.
constexpr const char* kCrashKinds[] = {"journal append",  "journal recycling", "segment writing",
                                       "segment merging", "trimming",          "snapshot",
                                       "catalog change",  "recovery"};
constexpr const char* kFaultKinds[] = {"failed write",
                                       "failed sync",
                                       "failed read",
                                       "refused for want of space",
                                       "flipped bit",
                                       "lost segment",
                                       "lost or cut journal file",
                                       "lost snapshot"};

bool enough(const char* name, const std::map<std::string, std::uint64_t>& counts,
            std::uint64_t kind_min) {
  const auto found = counts.find(name);
  const std::uint64_t count = found == counts.end() ? 0 : found->second;
  if (count < kind_min) fmt::print(stderr, "only {} of: {}\n", count, name);
  return count >= kind_min;
}

int run(const Arguments& arguments) {
  Coverage coverage;
  for (std::uint64_t seed = arguments.first; seed < arguments.first + arguments.seeds; ++seed) {
    const auto result = run_world({seed, arguments.crashes, arguments.trace});
    coverage.add(result.coverage);
    if (result.status.ok()) continue;
    fmt::print(stderr, "seed {}: {}\nrun it again: tools/sim --seed {} --trace\n", seed,
               result.status.error().message, seed);
    return 1;
  }
  print("crash points, by what was under way", coverage.crash_points);
  print("crash points, by what the crash left", coverage.losses);
  print("faults", coverage.faults);
  fmt::print(
      "{} seeds, {} crash points, {} of them distinct, {} recoveries, {} records acknowledged, {} "
      "looked for and found; "
      "{} damages reported\n",
      coverage.seeds, coverage.crash_points_in_all, coverage.distinct_crash_points.size(),
      coverage.recoveries, coverage.acknowledged, coverage.checked, coverage.damage_reported);
  bool all = true;
  if (coverage.distinct_crash_points.size() < arguments.points_min ||
      coverage.checked < arguments.checked_min) {
    fmt::print(stderr, "too little: {} distinct crash points, {} records looked for\n",
               coverage.distinct_crash_points.size(), coverage.checked);
    all = false;
  }
  for (const auto& [name, count] : coverage.losses)
    all = enough(name.c_str(), coverage.losses, arguments.kind_min) && all;
  for (const char* name : kCrashKinds)
    all = enough(name, coverage.crash_points, arguments.kind_min) && all;
  for (const char* name : kFaultKinds)
    all = enough(name, coverage.faults, arguments.kind_min) && all;
  return all ? 0 : 1;
}

struct BrokerArguments {
  std::uint64_t first = 1;
  std::uint64_t seeds = 500;
  std::uint64_t fault_min = 0;
  bool trace = false;
};

int run(const BrokerArguments& arguments) {
  BrokerCoverage coverage;
  for (std::uint64_t seed = arguments.first; seed < arguments.first + arguments.seeds; ++seed) {
    BrokerWorldOptions options;
    options.seed = seed;
    options.trace = arguments.trace;
    const auto result = run_broker_world(options);
    coverage.add(result.coverage);
    if (result.status.ok()) continue;
    fmt::print(stderr, "seed {}: {}\nrun it again: tools/sim broker --seed {} --trace\n", seed,
               result.status.error().message, seed);
    return 1;
  }
  print("faults", coverage.faults);
  fmt::print(
      "{} seeds of {} s on average, each with at least {} faults and {} switches of region ({} in "
      "all); {} records put, {} acknowledged, {} copies stored, {} backfilled, {} left behind, {} "
      "handed over once, {} again after a crash of the reader before its commit, {} gaps given up; "
      "{} dropped by full spools, {} acknowledged of a second stream; {} lost by regions that were "
      "set back, which brokers noticed {} times\n",
      coverage.seeds, coverage.simulated_seconds / coverage.seeds, coverage.faults_min,
      coverage.switches_min, coverage.switches, coverage.put, coverage.acknowledged,
      coverage.copies, coverage.backfilled, coverage.left_behind, coverage.handed_over,
      coverage.handed_over_again, coverage.gaps, coverage.dropped, coverage.unread, coverage.lost,
      coverage.set_backs_noticed);
  bool all = true;
  for (const auto& [name, count] : coverage.faults)
    all = enough(name.c_str(), coverage.faults, arguments.fault_min) && all;
  if (coverage.seconds_min < 600 || coverage.faults_min < 5 || coverage.switches_min < 1) {
    fmt::print(stderr, "a seed had only {} s, {} faults or {} switches\n", coverage.seconds_min,
               coverage.faults_min, coverage.switches_min);
    all = false;
  }
  return all ? 0 : 1;
}

}  // namespace
}  // namespace spillway::sim

int main(int argc, char** argv) {
  CLI::App app("Runs the embedded engine on a simulated disk, with crashes, against a model.");
  spillway::sim::Arguments arguments;
  bool one = false;
  app.add_option("--first", arguments.first, "the first seed")->capture_default_str();
  app.add_option("--seeds", arguments.seeds, "how many")->capture_default_str();
  app.add_option_function<std::uint64_t>(
      "--seed", [&](std::uint64_t seed) { arguments.first = seed, one = true; }, "this seed alone");
  app.add_option("--crashes", arguments.crashes, "crash points of a seed")->capture_default_str();
  app.add_option("--kind-min", arguments.kind_min, "fail below so many crash points of any kind");
  app.add_option("--points-min", arguments.points_min, "fail below so many distinct crash points");
  app.add_option("--checked-min", arguments.checked_min,
                 "fail where fewer records were looked for");
  app.add_flag("--trace", arguments.trace, "tell what happens");
  spillway::sim::BrokerArguments of_broker;
  auto* broker = app.add_subcommand("broker", "A broker, two regions and a reader instead.");
  broker->add_option("--first", of_broker.first, "the first seed")->capture_default_str();
  broker->add_option("--seeds", of_broker.seeds, "how many")->capture_default_str();
  broker->add_option_function<std::uint64_t>(
      "--seed", [&](std::uint64_t seed) { of_broker.first = seed, one = true; }, "this seed alone");
  broker->add_option("--fault-min", of_broker.fault_min, "fail below so many faults of any kind");
  broker->add_flag("--trace", of_broker.trace, "tell what happens");
  CLI11_PARSE(app, argc, argv);
  if (one) arguments.seeds = of_broker.seeds = 1;
  return broker->parsed() ? spillway::sim::run(of_broker) : spillway::sim::run(arguments);
}
