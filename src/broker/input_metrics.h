// What became of the records of an input, by its name: docs/broker.md.
#pragma once

#include <string>

#include "metrics/registry.h"

namespace spillway::broker {

struct InputMetrics {
  InputMetrics(metrics::Registry& registry, const std::string& input)
      : records(registry.counter("spillway_input_records_total",
                                 "Records of an input that the spool has, durably",
                                 {{"input", input}})),
        refused(registry.counter("spillway_input_refused_records_total",
                                 "Records of an input that the spool did not take",
                                 {{"input", input}})),
        malformed(registry.counter("spillway_input_malformed_records_total",
                                   "What came by an input and is none of its records",
                                   {{"input", input}})) {}

  metrics::Counter& records;
  metrics::Counter& refused;
  metrics::Counter& malformed;
};

}  // namespace spillway::broker
