#include "broker/rotated_files.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <utility>

namespace spillway::broker {
namespace {

constexpr std::string_view kDigits = "0123456789";
// With more digits it is a date, or the seconds since 1970.
constexpr std::size_t kNumberDigitsMax = 4;
constexpr std::size_t kDateDigitsMin = 6;

struct Rotated {
  std::string name;
  std::string_view date;     // empty: it has a number
  std::uint32_t number = 0;  // how many came behind it
};

bool reads(std::string_view suffix, Rotated& rotated) {
  const auto others = suffix.find_first_not_of(kDigits);
  if (others == std::string_view::npos && suffix.size() <= kNumberDigitsMax)
    return std::from_chars(suffix.data(), suffix.data() + suffix.size(), rotated.number).ec ==
           std::errc{};
  rotated.date = suffix;
  const auto digits = std::ranges::count_if(
      suffix, [](char c) { return kDigits.find(c) != std::string_view::npos; });
  return others != 0 && suffix.find_first_not_of("0123456789-_.:T") == std::string_view::npos &&
         static_cast<std::size_t>(digits) >= kDateDigitsMin;
}

}  // namespace

std::vector<std::vector<std::string>> rotations_of(std::string_view name,
                                                   std::span<const std::string> names) {
  std::vector<Rotated> numbered;
  std::vector<Rotated> dated;
  for (const auto& each : names) {
    if (each.size() < name.size() + 2 || !each.starts_with(name)) continue;
    const char between = each[name.size()];
    Rotated rotated{each, {}, 0};
    if ((between != '.' && between != '-') ||
        !reads(std::string_view(each).substr(name.size() + 1), rotated))
      continue;
    (rotated.date.empty() ? numbered : dated).push_back(std::move(rotated));
  }
  std::ranges::stable_sort(numbered, std::ranges::greater(), &Rotated::number);
  std::ranges::stable_sort(dated, {}, &Rotated::date);
  std::vector<std::vector<std::string>> rotations(2);
  for (auto& rotated : numbered) rotations[0].push_back(std::move(rotated.name));
  for (auto& rotated : dated) rotations[1].push_back(std::move(rotated.name));
  return rotations;
}

}  // namespace spillway::broker
