#include "base/rfc3339.h"

#include <fmt/format.h>

namespace spillway {

std::string rfc3339_seconds(WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time - day));
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::string rfc3339_millis(WallTime time) {
  std::string text = rfc3339_seconds(time);
  const auto whole = std::chrono::floor<std::chrono::seconds>(time);
  text.insert(text.size() - 1, fmt::format(".{:03}", (time - whole).count()));
  return text;
}

std::optional<WallTime> parse_rfc3339(std::string_view text) {
  constexpr std::string_view kSeconds = "0000-00-00T00:00:00Z";
  constexpr std::string_view kMillis = "0000-00-00T00:00:00.000Z";
  const bool with_millis = text.size() == kMillis.size();
  const std::string_view form = with_millis ? kMillis : kSeconds;
  if (text.size() != form.size()) return std::nullopt;
  for (std::size_t i = 0; i < form.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (form[i] == '0' ? !digit : text[i] != form[i]) return std::nullopt;
  }
  const auto number = [text](std::size_t at, std::size_t size) {
    int value = 0;
    for (const char c : text.substr(at, size)) value = value * 10 + (c - '0');
    return value;
  };
  const auto date = std::chrono::year_month_day{
      std::chrono::year(number(0, 4)), std::chrono::month(static_cast<unsigned>(number(5, 2))),
      std::chrono::day(static_cast<unsigned>(number(8, 2)))};
  if (!date.ok() || number(11, 2) > 23 || number(14, 2) > 59 || number(17, 2) > 59)
    return std::nullopt;
  const auto millis = milliseconds(with_millis ? number(20, 3) : 0);
  return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(number(11, 2)) +
         std::chrono::minutes(number(14, 2)) + seconds(number(17, 2)) + millis;
}

}  // namespace spillway
