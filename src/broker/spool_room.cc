#include "broker/spool_room.h"

#include <algorithm>
#include <utility>

namespace spillway::broker {
namespace {

constexpr int kSamples = 60;  // within SpoolLimits::keep

// Whether all that lies before `next` was delivered, or given up, for good.
bool are_behind(const Delivered& delivered, const Delivered& next) {
  return std::ranges::all_of(next, [&](const auto& of) {
    const auto found = delivered.find(of.first);
    return found != delivered.end() && found->second >= of.second;
  });
}

}  // namespace

SpoolRoom::SpoolRoom(SpoolLimits limits, stream::Engine& engine, io::EventLog& log,
                     metrics::Registry& metrics)
    : limits_(limits),
      engine_(engine),
      log_(log),
      bytes_gauge_(metrics.computed_gauge(
          "spillway_spool_bytes", "What the spool takes on the disk, beside its journal", {},
          [&engine] { return static_cast<double>(engine.stored_bytes()); })),
      limit_gauge_(
          metrics.computed_gauge("spillway_spool_limit_bytes", "What it may take", {},
                                 [bytes = limits.bytes] { return static_cast<double>(bytes); })) {}

void SpoolRoom::look(Delivered delivered, MonoTime now) {
  if (samples_.empty() || now - samples_.back().at >= limits_.keep / kSamples)
    samples_.push_back({now, delivered});
  while (samples_.size() > 1 && now - samples_[1].at >= limits_.keep) samples_.pop_front();
  const std::uint64_t bytes = engine_.stored_bytes();
  if (bytes >= limits_.bytes / 10 * 9) {
    release(delivered);
  } else if (bytes >= limits_.bytes / 4 * 3 && now - samples_.front().at >= limits_.keep) {
    release(samples_.front().delivered);
  }
  const bool becomes_free = bytes < std::exchange(bytes_, bytes);
  const bool is_short = bytes >= limits_.bytes / 20 * 19 && !becomes_free && dropping_.empty();
  short_looks_ = is_short ? short_looks_ + 1 : 0;
  if (are_behind(delivered, dropping_)) dropping_.clear();
  const bool is_full = bytes >= limits_.bytes;
  if (is_full == std::exchange(full_told_, is_full)) return;
  if (is_full) {
    log_.error(limits_.when_full == WhenFull::kReject
                   ? "the spool is full, records are refused until the target takes some"
                   : "the spool is full, records are refused until its oldest ones are gone",
               {{"bytes", bytes}, {"limit_bytes", limits_.bytes}});
  } else {
    log_.info("the spool has room again", {{"bytes", bytes}, {"limit_bytes", limits_.bytes}});
  }
}

bool SpoolRoom::must_drop() const {
  return limits_.when_full == WhenFull::kDropOldest && short_looks_ >= kLooksPerDrop;
}

void SpoolRoom::drops(Delivered next) {
  dropping_ = std::move(next);
  short_looks_ = 0;
}

void SpoolRoom::release(const Delivered& delivered) {
  for (const auto& [shard, before] : delivered) engine_.release(shard, before);
}

}  // namespace spillway::broker
