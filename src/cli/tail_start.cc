#include "cli/tail_start.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "stream/sequence_number.h"

namespace spillway::cli {
namespace {

using client::IteratorType;

bool all_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Reads a text from its front; after the first thing that isn't there, nothing is.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  // Exactly that many digits.
  int number(std::size_t digits) {
    int value = 0;
    const auto text = rest_.substr(0, digits);
    ok_ = ok_ && text.size() == digits && all_digits(text);
    if (!ok_) return 0;
    std::from_chars(text.data(), text.data() + digits, value);
    rest_.remove_prefix(digits);
    return value;
  }
  bool skip(char c) {
    const bool there = ok_ && rest_.starts_with(c);
    if (there) rest_.remove_prefix(1);
    return there;
  }
  void require(bool there) { ok_ = ok_ && there; }
  // Behind a point: milliseconds. Further digits are passed over.
  int fraction() {
    int millis = 0;
    std::size_t digits = 0;
    for (; !rest_.empty() && all_digits(rest_.substr(0, 1)); ++digits) {
      const int digit = number(1);
      if (digits < 3) millis = millis * 10 + digit;
    }
    require(digits > 0);
    for (; digits < 3; ++digits) millis *= 10;
    return millis;
  }
  bool ended() const { return ok_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

// RFC 3339, with a zone: "2020-11-25T14:00:00.5+01:00".
std::optional<WallTime> parse_time(std::string_view text) {
  Scanner scan(text);
  const int year = scan.number(4);
  scan.require(scan.skip('-'));
  const int month = scan.number(2);
  scan.require(scan.skip('-'));
  const int day = scan.number(2);
  scan.require(scan.skip('T') || scan.skip('t') || scan.skip(' '));
  const int hour = scan.number(2);
  scan.require(scan.skip(':'));
  const int minute = scan.number(2);
  scan.require(scan.skip(':'));
  const int second = scan.number(2);
  const int millis = scan.skip('.') ? scan.fraction() : 0;
  int east_minutes = 0;
  if (!scan.skip('Z') && !scan.skip('z')) {
    const int sign = scan.skip('-') ? -1 : 1;
    if (sign == 1) scan.require(scan.skip('+'));
    const int hours = scan.number(2);
    scan.require(scan.skip(':'));
    const int minutes = scan.number(2);
    scan.require(hours < 24 && minutes < 60);
    east_minutes = sign * (hours * 60 + minutes);
  }
  scan.require(hour < 24 && minute < 60 && second < 61);  // 60: a leap second
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!scan.ended() || !date.ok()) return std::nullopt;
  return WallTime{std::chrono::sys_days(date)} + std::chrono::hours(hour) +
         std::chrono::minutes(minute - east_minutes) + seconds(second) + milliseconds(millis);
}

// "-10m": how long before now.
std::optional<seconds> parse_ago(std::string_view text) {
  constexpr std::size_t kDigitsMax = 9;
  if (text.size() < 3 || text.size() > kDigitsMax + 2 || text[0] != '-') return std::nullopt;
  const auto digits = text.substr(1, text.size() - 2);
  const char unit = text.back();
  const int factor = unit == 's'   ? 1
                     : unit == 'm' ? 60
                     : unit == 'h' ? 3600
                     : unit == 'd' ? 86400
                                   : 0;
  if (!all_digits(digits) || factor == 0) return std::nullopt;
  std::int64_t count = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), count);
  return seconds(count * factor);
}

}  // namespace

Result<TailStart> parse_tail_start(std::string_view text, WallTime now) {
  if (text == "trim") return TailStart{};
  if (text == "latest") return TailStart{{IteratorType::kLatest, "", {}}, ""};
  auto time = parse_time(text);
  if (const auto ago = parse_ago(text)) time = now - *ago;
  // Nothing is older than 1970, and the API takes no negative times.
  if (time) return TailStart{{IteratorType::kAtTimestamp, "", std::max(WallTime{}, *time)}, ""};
  if (const auto number = stream::parse_sequence_number(text)) {
    return TailStart{{IteratorType::kAtSequenceNumber, std::string(text), {}},
                     stream::shard_name(number->shard_index)};
  }
  return Error{ErrorCode::kInvalid,
               fmt::format("--from {}: write trim, latest, a time as in 2020-11-25T14:00:00Z, how "
                           "long ago as in -10m (s, m, h, d), or a sequence number",
                           text)};
}

}  // namespace spillway::cli
