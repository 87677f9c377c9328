// What rotations call the files of a log: `log.1`, `log.2`, … where the highest number is the
// oldest, or `log-20261125`, `log.2026-11-25T06`, … where the first date is. Other names, such as
// those of compressed files, are none of a rotation's.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace spillway::broker {

// Of `names`, those that rotations gave to files called `name` before: numbers and dates apart, as
// a log has one or the other. Each oldest first.
std::vector<std::vector<std::string>> rotations_of(std::string_view name,
                                                   std::span<const std::string> names);

}  // namespace spillway::broker
