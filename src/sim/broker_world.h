// One seed: a broker with two regions and a reader of both (sim/broker_machine.h, sim_region.h,
// reader_machine.h), producers, at least ten minutes of faults, a time without any, and the model
// that holds all of it to what is promised (sim/broker_model.h).
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/result.h"
#include "base/time.h"

namespace spillway::sim {

// What the runs have been through.
struct BrokerCoverage {
  std::uint64_t seeds = 0;
  std::map<std::string, std::uint64_t> faults;
  std::uint64_t faults_min = UINT64_MAX;    // of a seed
  std::uint64_t switches_min = UINT64_MAX;  // likewise
  std::uint64_t switches = 0;               // from one region to another
  std::uint64_t backfilled = 0;             // records, sent to a region that had missed them
  std::uint64_t lost = 0;                   // records, in regions that were set back
  std::uint64_t set_backs_noticed = 0;      // by the broker
  std::uint64_t left_behind = 0;            // records, the most at a time of each seed
  std::uint64_t put = 0;                    // records
  std::uint64_t acknowledged = 0;           // of those
  std::uint64_t copies = 0;                 // stored more than once
  std::uint64_t handed_over = 0;            // and committed
  std::uint64_t handed_over_again = 0;      // since they weren't
  std::uint64_t gaps = 0;                   // given up
  std::uint64_t dropped = 0;                // by full spools that are told to
  std::uint64_t unread = 0;                 // acknowledged, of a second stream
  std::uint64_t simulated_seconds = 0;
  std::uint64_t seconds_min = UINT64_MAX;  // of a seed

  void add(const BrokerCoverage& other);
};

struct BrokerWorldOptions {
  std::uint64_t seed = 0;
  nanoseconds faults_for = std::chrono::minutes(10);
  bool trace = false;  // tell what happens on standard error
};

struct BrokerWorldResult {
  Status status;  // what went wrong
  BrokerCoverage coverage;
  std::uint64_t history = 0;  // the same for every run of a seed
  std::uint64_t events = 0;
};

BrokerWorldResult run_broker_world(const BrokerWorldOptions& options);

}  // namespace spillway::sim
