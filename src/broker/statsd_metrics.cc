#include "broker/statsd_metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "broker/json_object.h"

namespace spillway::broker {
namespace {

struct Percentile {
  std::string_view name;
  double share;
};
constexpr Percentile kPercentiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}};

// As short as gives it back; what isn't finite is null.
std::string written(double number) {
  return std::isfinite(number) ? fmt::format("{}", number) : "null";
}

// Tags by their names: a text, true for one without a value, an array where there are several.
std::string tags_json(std::string_view tags) {
  std::map<std::string_view, std::vector<std::string>> by_name;
  for (std::string_view rest = tags; !rest.empty();) {
    const auto tag = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(tag.size() + 1, rest.size()));
    const auto colon = tag.find(':');
    std::string value = "true";
    if (colon != std::string_view::npos) {
      value.clear();
      append_json_text(value, tag.substr(colon + 1));
    }
    by_name[tag.substr(0, colon)].push_back(std::move(value));
  }
  JsonObject object;
  for (const auto& [name, values] : by_name) {
    const auto all = fmt::format("{}", fmt::join(values, ","));
    object.add_raw(name, values.size() == 1 ? all : "[" + all + "]");
  }
  return object.text();
}

}  // namespace

std::size_t StatsdMetrics::add(const StatsdSamples& samples) {
  Metric* const metric = find(samples);
  if (metric == nullptr) return samples.values.size();
  if (std::exchange(metric->silent, false)) --silent_;
  std::size_t dropped = 0;
  for (const auto& value : samples.values) dropped += add(*metric, value, samples.rate) ? 0 : 1;
  return dropped;
}

// Made where it isn't there; nullptr where there is no room.
StatsdMetrics::Metric* StatsdMetrics::find(const StatsdSamples& samples) {
  // None of them has a newline.
  auto key = fmt::format("{}\n{}\n{}", samples.name, samples.tags, static_cast<int>(samples.type));
  if (const auto found = metrics_.find(key); found != metrics_.end()) return &found->second;
  const auto full = [&] {
    return metrics_.size() >= kMetricsMax || name_bytes_ + key.size() > kNameBytesMax;
  };
  if (full()) forget_silent();
  if (full()) return nullptr;
  name_bytes_ += key.size();
  Metric metric;
  metric.type = samples.type;
  metric.name = samples.name;
  metric.tags = samples.tags;
  return &metrics_.emplace(std::move(key), std::move(metric)).first->second;
}

void StatsdMetrics::forget_silent() {
  if (silent_ == 0) return;
  std::erase_if(metrics_, [this](const auto& entry) {
    if (entry.second.silent) name_bytes_ -= entry.first.size();
    return entry.second.silent;
  });
  silent_ = 0;
}

bool StatsdMetrics::add(Metric& metric, const StatsdValue& value, double rate) {
  switch (metric.type) {
    case StatsdType::kCounter:
      metric.sum += value.number / rate;
      return true;
    case StatsdType::kGauge:
      metric.sum = value.relative ? metric.sum + value.number : value.number;
      return true;
    case StatsdType::kTimer:
    case StatsdType::kHistogram:
    case StatsdType::kDistribution:
      add_timing(metric, value.number, 1 / rate);
      return true;
    case StatsdType::kSet:
      return add_member(metric, value.text);
  }
  return false;
}

void StatsdMetrics::add_timing(Metric& metric, double number, double weight) {
  metric.min = metric.came == 0 ? number : std::min(metric.min, number);
  metric.max = metric.came == 0 ? number : std::max(metric.max, number);
  ++metric.came;
  metric.count += weight;
  metric.sum += number * weight;
  auto& values = metric.values;
  // Those before are all there, and there is room for one more.
  if (values.size() + 1 == metric.came && values.size() < kValuesMax &&
      (values.empty() || held_ < kHeldMax)) {
    values.push_back({number, weight});
    ++held_;
    return;
  }
  // Each that came is among them with the same probability (Vitter's algorithm R).
  const auto at = random_.below(metric.came);
  if (at < values.size()) values[at] = {number, weight};
}

bool StatsdMetrics::add_member(Metric& metric, std::string_view member) {
  const auto hash = std::hash<std::string_view>()(member);
  if (metric.members.contains(hash)) return true;
  if (held_ >= kHeldMax) return false;
  metric.members.insert(hash);
  ++held_;
  return true;
}

std::vector<InputRecord> StatsdMetrics::end(const Interval& interval) {
  std::vector<InputRecord> records;
  records.reserve(changed());
  for (auto at = metrics_.begin(); at != metrics_.end();) {
    auto& metric = at->second;
    if (!metric.silent) records.push_back({metric.name, json_of(metric, interval)});
    if (metric.type == StatsdType::kGauge) {
      metric.silent = true;
      ++at;
    } else {
      name_bytes_ -= at->first.size();
      at = metrics_.erase(at);
    }
  }
  silent_ = metrics_.size();
  held_ = 0;
  return records;
}

std::string StatsdMetrics::json_of(Metric& metric, const Interval& interval) {
  JsonObject object;
  object.add("time", to_millis(interval.end))
      .add("interval_ms", interval.length / milliseconds(1))
      .add("host", interval.host)
      .add("type", statsd_type_name(metric.type))
      .add("name", metric.name);
  if (!metric.tags.empty()) object.add_raw("tags", tags_json(metric.tags));
  if (metric.type == StatsdType::kSet) return object.add("value", metric.members.size()).text();
  if (metric.came == 0) return object.add_raw("value", written(metric.sum)).text();
  object.add_raw("count", written(metric.count))
      .add_raw("sum", written(metric.sum))
      .add_raw("min", written(metric.min))
      .add_raw("max", written(metric.max))
      .add_raw("mean", written(metric.sum / metric.count));
  std::ranges::sort(metric.values, {}, &Value::number);
  double all = 0;
  for (const auto& value : metric.values) all += value.weight;
  double below = 0;
  std::size_t at = 0;
  for (const auto& [name, share] : kPercentiles) {
    // The least that so many of them don't exceed; sums of weights are a little off.
    while (at + 1 < metric.values.size() &&
           below + metric.values[at].weight < share * all * (1 - 1e-9))
      below += metric.values[at++].weight;
    object.add_raw(name, written(metric.values[at].number));
  }
  return object.text();
}

}  // namespace spillway::broker
