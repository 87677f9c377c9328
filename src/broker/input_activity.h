// What each input of the broker does, for its status: totals, the rate of the last minute, and how
// long ago its last record came. It goes by what inputs count (input_metrics.h), so that they need
// to do nothing for it; when a record came is known to the time between two looks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "broker/input_metrics.h"
#include "broker/recent_rate.h"
#include "metrics/registry.h"

namespace spillway::broker {

// An input that is on, or is configured and closed.
struct InputNow {
  std::string name;  // as it counts
  std::string at;    // where it takes records from, for people: "127.0.0.1:4567"
  std::optional<std::size_t> connections;  // open; nullopt: it has none
  std::string closed = {};                 // why it takes nothing all the same; empty: it does
};

// On one thread.
class InputActivity {
 public:
  explicit InputActivity(metrics::Registry& metrics) : metrics_(metrics) {}

  // Every second or so: these are on, or configured, and no others.
  void look(std::vector<InputNow> inputs, MonoTime now);
  // A JSON array, in the order of the last look.
  std::string json(MonoTime now) const;

 private:
  struct Seen {
    explicit Seen(metrics::Registry& metrics, const std::string& input)
        : counts(metrics, input),
          closed(metrics.gauge("spillway_input_closed",
                               "1 while an input that is configured takes nothing",
                               {{"input", input}})) {}
    InputMetrics counts;
    metrics::Gauge& closed;
    RecentRate rate;
    std::uint64_t records = 0;  // at the last look
    std::optional<MonoTime> last;
  };

  metrics::Registry& metrics_;
  std::vector<InputNow> on_;
  std::map<std::string, Seen, std::less<>> seen_;  // of those that were ever on
};

}  // namespace spillway::broker
