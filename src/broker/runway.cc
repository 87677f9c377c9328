#include "broker/runway.h"

#include <algorithm>
#include <utility>

namespace spillway::broker {
namespace {

// Of a record, besides its data: its head, its origin, and a key as keys are.
constexpr std::uint64_t kOverhead = 64;
// What the metric says where nothing is accepted, and at most: ten years.
constexpr nanoseconds kLongest = std::chrono::hours(24 * 3650);

}  // namespace

Runway::Runway(nanoseconds alarm, io::EventLog& log, metrics::Registry& metrics)
    : alarm_(alarm),
      log_(log),
      seconds_(metrics.gauge("spillway_spool_runway_seconds",
                             "How long the spool takes records at the rate of the last minute if "
                             "none is delivered; ten years where none come")) {}

std::uint64_t Runway::stored_size(std::uint64_t records, std::uint64_t bytes) {
  return bytes + records * kOverhead;
}

// What was delivered gives its room back when that is needed, so only what is held counts: at the
// mean size of what was accepted since the start, or, before that, all that is stored.
std::optional<nanoseconds> Runway::measure(const Look& look, MonoTime now) {
  const std::uint64_t accepted = stored_size(look.accepted_records, look.accepted_bytes);
  rate_.look(accepted, now);
  const nanoseconds over = rate_.over();
  const std::uint64_t arrived = rate_.grown();
  if (over <= nanoseconds(0) || arrived == 0) return std::nullopt;
  const double mean = static_cast<double>(accepted) / static_cast<double>(look.accepted_records);
  const double held = std::min(mean * static_cast<double>(look.held_records),
                               static_cast<double>(look.stored_bytes));
  const double room = std::max(static_cast<double>(look.limit_bytes) - held, 0.0);
  const double left = room / static_cast<double>(arrived) * static_cast<double>(over.count());
  return left < static_cast<double>(kLongest.count()) ? nanoseconds(static_cast<std::int64_t>(left))
                                                      : kLongest;
}

void Runway::look(const Look& look, MonoTime now) {
  // What is refused arrives at a rate that nobody counts.
  if (look.full) rate_ = {};
  const auto measured = measure(look, now);
  // A burst of seconds is no rate.
  const bool known = look.full || rate_.over() >= RecentRate::kOver;
  was_full_ = look.full || (was_full_ && !known);
  left_ = look.full || (was_full_ && !measured) ? nanoseconds(0) : measured;
  const auto in_seconds = std::chrono::duration_cast<seconds>(left_.value_or(kLongest)).count();
  seconds_.set(in_seconds);
  const bool is_short = left_ && *left_ < alarm_;
  if (!known || is_short == std::exchange(told_, is_short)) return;
  if (is_short) {
    log_.warning("the spool would be full soon if nothing were delivered",
                 {{"seconds", in_seconds}, {"held_records", look.held_records}});
  } else {
    log_.info("the spool would last long enough again", {{"seconds", in_seconds}});
  }
}

}  // namespace spillway::broker
