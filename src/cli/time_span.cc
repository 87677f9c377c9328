#include "cli/time_span.h"

#include <fmt/format.h>

#include <charconv>

namespace spillway::cli {

Result<seconds> parse_time_span(std::string_view text) {
  constexpr std::size_t kDigitsMax = 9;
  const Error invalid{ErrorCode::kInvalid,
                      fmt::format("\"{}\" is no time: write one as in 90s, 5m, 12h or 7d", text)};
  if (text.size() < 2 || text.size() > kDigitsMax + 1) return invalid;
  const char unit = text.back();
  const std::int64_t factor = unit == 's'   ? 1
                              : unit == 'm' ? 60
                              : unit == 'h' ? 3600
                              : unit == 'd' ? 86'400
                                            : 0;
  std::int64_t count = 0;
  const char* const end = text.data() + text.size() - 1;
  const auto [at, error] = std::from_chars(text.data(), end, count);
  if (error != std::errc{} || at != end || count < 1 || factor == 0) return invalid;
  return seconds(count * factor);
}

}  // namespace spillway::cli
