#include "base/nearest_name.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace spillway {

namespace {

std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string_view nearest_name(std::string_view unknown, std::span<const std::string_view> names) {
  std::string_view nearest;
  std::size_t fewest = std::string_view::npos;
  for (const std::string_view name : names) {
    const std::size_t edits = distance(unknown, name);
    const std::size_t edits_max = (std::max(unknown.size(), name.size()) + 2) / 3;
    const bool is_its_end = !unknown.empty() && name.ends_with(unknown);
    if (edits >= fewest || (edits > edits_max && !is_its_end)) continue;
    nearest = name;
    fewest = edits;
  }
  return nearest;
}

std::string did_you_mean(std::string_view unknown, std::span<const std::string_view> names) {
  const std::string nearest(nearest_name(unknown, names));
  return nearest.empty() ? nearest : "; did you mean \"" + nearest + "\"?";
}

}  // namespace spillway
