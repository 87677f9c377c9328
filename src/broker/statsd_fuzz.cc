// Arbitrary bytes as lines of StatsD: what is read of one is within its bounds and reads the same
// whatever the order of its tags; what they add up to is JSON, a record of each metric, and the
// same whichever order the tags had. A line is read behind a right beginning, too. As a connection,
// its lines are the same however the bytes are cut.
#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <ranges>
#include <string>
#include <vector>

#include "base/assert.h"
#include "broker/partition_key.h"
#include "broker/statsd_framer.h"
#include "broker/statsd_metrics.h"

namespace {

using namespace spillway;
using namespace spillway::broker;

std::vector<std::string_view> tags_of(const StatsdSamples& samples) {
  std::vector<std::string_view> tags;
  for (const auto tag : std::views::split(samples.tags, ','))
    tags.emplace_back(tag.begin(), tag.end());
  if (samples.tags.empty()) tags.clear();
  return tags;
}

void check(const StatsdSamples& samples) {
  SPILLWAY_ASSERT(is_partition_key(samples.name) && !samples.values.empty());
  SPILLWAY_ASSERT(samples.rate > 0 && samples.rate <= 1);
  for (const auto& value : samples.values)
    SPILLWAY_ASSERT(std::isfinite(value.number) && !value.text.empty());
  auto tags = tags_of(samples);
  SPILLWAY_ASSERT(std::ranges::is_sorted(tags) && std::ranges::adjacent_find(tags) == tags.end());
  std::string line = "a:1|c|#";
  for (const auto tag : std::views::reverse(tags)) line.append(tag) += ',';
  if (line.size() > kStatsdTagsBytesMax) return;
  const auto again = read_statsd(line);
  SPILLWAY_ASSERT(again && again->size() == 1 && again->front().tags == samples.tags);
}

void check(const std::vector<InputRecord>& records) {
  simdjson::dom::parser parser;
  for (const auto& record : records) {
    SPILLWAY_ASSERT(is_partition_key(record.key));
    simdjson::dom::object object;
    SPILLWAY_ASSERT(parser.parse(record.data).get(object) == simdjson::SUCCESS);
    std::string_view name;
    SPILLWAY_ASSERT(object["name"].get(name) == simdjson::SUCCESS && name == record.key);
  }
}

std::vector<std::string> framed(std::string_view bytes, std::size_t step) {
  StatsdFramer framer;
  std::vector<std::string> lines;
  const auto keep = [&lines](std::string_view line) { lines.emplace_back(line); };
  std::size_t too_long = 0;
  for (std::size_t i = 0; i < bytes.size(); i += step)
    too_long += framer.take(bytes.substr(i, step), keep);
  framer.end(keep);
  for (const auto& line : lines)
    SPILLWAY_ASSERT(line.size() <= kStatsdLineBytesMax && line.find('\n') == std::string::npos);
  lines.push_back(std::to_string(too_long));
  return lines;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto whole = framed(input, size + 1);
  for (const std::size_t step : {1, 3}) SPILLWAY_ASSERT(framed(input, step) == whole);
  StatsdMetrics metrics(1);
  for (const std::string_view begin : {"", "a:1|ms|", "a:"}) {
    for (const auto part : std::views::split(input, '\n')) {
      const std::string line = std::string(begin) + std::string(part.begin(), part.end());
      const auto all = read_statsd(line);
      if (!all) continue;
      for (const auto& samples : *all) {
        check(samples);
        SPILLWAY_ASSERT(metrics.add(samples) <= samples.values.size());
      }
    }
  }
  const auto changed = metrics.changed();
  const auto records = metrics.end({from_millis(1), seconds(1), "h"});
  SPILLWAY_ASSERT(records.size() == changed && metrics.changed() == 0);
  check(records);
  return 0;
}
