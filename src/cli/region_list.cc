#include "cli/region_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "client/endpoint.h"

namespace spillway::cli {
namespace {

constexpr std::size_t kNameMax = 64;
constexpr std::string_view kAmazon = "amazon:";

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kNameMax && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

Result<NamedRegion> parse_region(std::string_view text) {
  if (is_name(text)) return NamedRegion{std::string(text), "", false};
  const auto equals = text.find('=');
  auto url = equals == std::string_view::npos ? text : text.substr(equals + 1);
  const bool amazon = url.starts_with(kAmazon);
  if (amazon) url.remove_prefix(kAmazon.size());
  SPILLWAY_ASSIGN(const auto endpoint, client::parse_endpoint(url));
  if (equals == std::string_view::npos) return NamedRegion{endpoint.address, endpoint.url, amazon};
  if (const auto name = text.substr(0, equals); is_name(name))
    return NamedRegion{std::string(name), endpoint.url, amazon};
  return Error{ErrorCode::kInvalid,
               fmt::format("a name has letters, digits, '-', '_' and '.', at most {}", kNameMax)};
}

}  // namespace

Result<std::vector<NamedRegion>> parse_regions(std::string_view text) {
  std::vector<NamedRegion> regions;
  std::set<std::string> names;
  const auto wrong = [text](std::string_view why) {
    return Error{ErrorCode::kInvalid,
                 fmt::format("--regions {}: {}; write URL,URL or NAME=URL,NAME=URL, or, "
                             "with --config, names of its [[broker.targets]]",
                             text, why)};
  };
  for (bool more = true; more;) {
    const auto comma = text.find(',');
    more = comma != std::string_view::npos;
    auto region = parse_region(text.substr(0, comma));
    if (!region.ok()) return wrong(region.error().message);
    if (!names.insert(region->name).second)
      return wrong(fmt::format("{} is there twice", region->name));
    regions.push_back(*std::move(region));
    if (regions.size() > kRegionsMax)
      return wrong(fmt::format("there are more than {}", kRegionsMax));
    if (more) text.remove_prefix(comma + 1);
  }
  return regions;
}

}  // namespace spillway::cli
