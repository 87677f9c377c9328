// StatsD: samples out of a line. Lines are those of etsy's statsd, with what DogStatsD adds:
//   NAME:VALUE|TYPE[|@RATE][|#TAG,TAG:VALUE,…]
// Several values of one type may stand together (DogStatsD 1.1: NAME:1:2:3|ms), and several types
// behind one name (etsy's: NAME:1|c:200|ms). What else DogStatsD puts behind a bar (the container,
// a timestamp) is passed over.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace spillway::broker {

// All tags of a line.
inline constexpr std::size_t kStatsdTagsBytesMax = 2048;

enum class StatsdType { kCounter, kGauge, kTimer, kHistogram, kDistribution, kSet };

// "counter", "gauge", …
std::string_view statsd_type_name(StatsdType type);

struct StatsdValue {
  std::string_view text;
  double number = 0;      // finite; not of a set
  bool relative = false;  // a gauge's: it is written with a sign, and changes what there is
};

// Views are into the line.
struct StatsdSamples {
  std::string_view name;  // a partition key
  StatsdType type = StatsdType::kCounter;
  std::vector<StatsdValue> values;  // at least one
  double rate = 1;                  // above 0, to 1: each value stands for 1 / rate
  std::string tags;                 // in order, each once, with commas between them
};

// `line` is without its newline. Nullopt where it isn't a line of StatsD, in UTF-8 and without
// control characters; DogStatsD's events and service checks are none.
std::optional<std::vector<StatsdSamples>> read_statsd(std::string_view line);

}  // namespace spillway::broker
