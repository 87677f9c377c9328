#include "broker/statsd.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "broker/partition_key.h"
#include "broker/take_text.h"

namespace spillway::broker {
namespace {

struct TypeName {
  std::string_view sign;
  std::string_view name;
  StatsdType type;
};
constexpr TypeName kTypes[] = {
    {"c", "counter", StatsdType::kCounter},
    {"g", "gauge", StatsdType::kGauge},
    {"ms", "timer", StatsdType::kTimer},
    {"h", "histogram", StatsdType::kHistogram},
    {"d", "distribution", StatsdType::kDistribution},
    {"s", "set", StatsdType::kSet},
};

bool is_text(std::string_view line) {
  const bool controls = std::ranges::any_of(
      line, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\x7f'; });
  return !controls && simdjson::validate_utf8(line.data(), line.size());
}

std::optional<double> number_of(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || at != end || !std::isfinite(number)) return std::nullopt;
  return number;
}

// In whatever order a client has them, they are the same metric's.
std::optional<std::string> tags_of(std::string_view text) {
  if (text.size() > kStatsdTagsBytesMax) return std::nullopt;
  std::vector<std::string_view> tags;
  while (!text.empty()) {
    if (const auto tag = take_until(text, ","); !tag.empty()) tags.push_back(tag);
    take(text, ',');
  }
  std::ranges::sort(tags);
  const auto same = std::ranges::unique(tags);
  tags.erase(same.begin(), same.end());
  std::string joined;
  for (const auto tag : tags) {
    if (!joined.empty()) joined += ',';
    joined += tag;
  }
  return joined;
}

// What stands behind a bar: up to the next one, or, of a rate, to another type of the same name.
bool take_section(std::string_view& line, StatsdSamples& samples) {
  if (take(line, '@')) {
    const auto rate = number_of(take_until(line, "|:"));
    if (!rate || *rate <= 0 || *rate > 1) return false;
    samples.rate = *rate;
    return true;
  }
  const bool tagged = take(line, '#');
  const auto section = take_until(line, "|");
  if (!tagged) return true;
  auto tags = tags_of(section);
  if (!tags) return false;
  samples.tags = *std::move(tags);
  return true;
}

// A set's is one, whatever is in it.
bool take_values(std::string_view text, StatsdSamples& samples) {
  if (samples.type == StatsdType::kSet) {
    samples.values.push_back({text});
    return !text.empty();
  }
  do {
    const auto value = take_until(text, ":");
    const auto number = number_of(value);
    if (!number) return false;
    const bool is_signed = value.starts_with('+') || value.starts_with('-');
    samples.values.push_back({value, *number, samples.type == StatsdType::kGauge && is_signed});
  } while (take(text, ':'));
  return true;
}

bool take_samples(std::string_view& line, StatsdSamples& samples) {
  const auto values = take_until(line, "|");
  if (!take(line, '|')) return false;
  const auto* const type = std::ranges::find(kTypes, take_until(line, "|:"), &TypeName::sign);
  if (type == std::end(kTypes)) return false;
  samples.type = type->type;
  while (take(line, '|'))
    if (!take_section(line, samples)) return false;
  return take_values(values, samples);
}

}  // namespace

std::string_view statsd_type_name(StatsdType type) {
  return std::ranges::find(kTypes, type, &TypeName::type)->name;
}

std::optional<std::vector<StatsdSamples>> read_statsd(std::string_view line) {
  if (!is_text(line)) return std::nullopt;
  const auto name = take_until(line, ":|");
  if (!is_partition_key(name)) return std::nullopt;
  std::vector<StatsdSamples> all;
  while (take(line, ':')) {
    StatsdSamples samples;
    samples.name = name;
    if (!take_samples(line, samples)) return std::nullopt;
    all.push_back(std::move(samples));
  }
  if (all.empty() || !line.empty()) return std::nullopt;
  return all;
}

}  // namespace spillway::broker
