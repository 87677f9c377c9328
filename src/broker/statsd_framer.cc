#include "broker/statsd_framer.h"

#include <utility>

namespace spillway::broker {

std::size_t StatsdFramer::take(std::string_view bytes, const TakeLine& take_line) {
  std::size_t too_long = 0;
  while (!bytes.empty()) {
    const auto newline = bytes.find('\n');
    const bool ends = newline != std::string_view::npos;
    const auto part = bytes.substr(0, newline);
    bytes.remove_prefix(ends ? newline + 1 : bytes.size());
    if (!skips_ && pending_.size() + part.size() > kStatsdLineBytesMax) {
      ++too_long;
      skips_ = true;
      pending_ = {};
    }
    if (!ends) {
      if (!skips_) pending_ += part;
    } else if (!std::exchange(skips_, false)) {
      if (pending_.empty()) {
        take_line(part);
      } else {
        pending_ += part;
        take_line(std::exchange(pending_, {}));
      }
    }
  }
  return too_long;
}

void StatsdFramer::end(const TakeLine& take_line) {
  if (begun()) take_line(std::exchange(pending_, {}));
}

}  // namespace spillway::broker
