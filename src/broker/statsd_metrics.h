// What StatsD's samples add up to: of each metric and its tags one record an interval, a JSON
// object (docs/formats/statsd-records.md).
//
// What it holds is bounded, whatever comes: samples of a metric that there is no room for are
// dropped. Percentiles are of all values of a metric up to kValuesMax; beyond, and where all
// metrics together have too many, of a random choice of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "broker/spool_writer.h"
#include "broker/statsd.h"

namespace spillway::broker {

class StatsdMetrics {
 public:
  static constexpr std::size_t kMetricsMax = 10'000;
  // Of all their names and tags.
  static constexpr std::size_t kNameBytesMax = std::size_t{4} << 20;
  // Of a metric, for its percentiles; and of all metrics, with the members of sets.
  static constexpr std::size_t kValuesMax = 1000;
  static constexpr std::size_t kHeldMax = 250'000;

  explicit StatsdMetrics(std::uint64_t seed) : random_(seed) {}

  // How many of them were dropped.
  std::size_t add(const StatsdSamples& samples);
  // How many records an interval that ended now would have.
  std::size_t changed() const { return metrics_.size() - silent_; }

  struct Interval {
    WallTime end;
    nanoseconds length{};
    std::string host;
  };
  // Ends it: the records of the metrics of which samples came. A gauge keeps its value, for changes
  // of it to come, until there is no room for another metric.
  std::vector<InputRecord> end(const Interval& interval);

 private:
  struct Value {
    double number = 0;
    double weight = 0;  // of how many values it is one
  };
  struct Metric {
    StatsdType type = StatsdType::kCounter;
    std::string name;
    std::string tags;
    bool silent = false;     // a gauge of which no sample came yet in this interval
    double sum = 0;          // a counter's and a gauge's value
    double count = 0;        // of values, as sampled
    std::uint64_t came = 0;  // of values
    double min = 0;
    double max = 0;
    std::vector<Value> values;
    std::unordered_set<std::size_t> members;  // hashes of them
  };

  Metric* find(const StatsdSamples& samples);
  void forget_silent();
  bool add(Metric& metric, const StatsdValue& value, double rate);
  void add_timing(Metric& metric, double number, double weight);
  bool add_member(Metric& metric, std::string_view member);
  static std::string json_of(Metric& metric, const Interval& interval);

  Random random_;
  std::map<std::string, Metric, std::less<>> metrics_;  // by type, name and tags
  std::size_t silent_ = 0;
  std::size_t name_bytes_ = 0;
  std::size_t held_ = 0;
};

}  // namespace spillway::broker
