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
  const auto nearest = std::ranges::min_element(
      names, {}, [unknown](std::string_view name) { return distance(unknown, name); });
  return nearest == names.end() ? std::string_view() : *nearest;
}

}  // namespace spillway
