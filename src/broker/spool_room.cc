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
      room_bytes_(limits.bytes),
      bytes_gauge_(metrics.computed_gauge(
          "spillway_spool_bytes", "What the spool takes on the disk, beside its journal", {},
          [&engine] { return static_cast<double>(engine.stored_bytes()); })),
      limit_gauge_(
          metrics.computed_gauge("spillway_spool_limit_bytes", "What it may take", {},
                                 [bytes = limits.bytes] { return static_cast<double>(bytes); })) {}

void SpoolRoom::look(Delivered delivered, MonoTime now, std::uint64_t free_bytes) {
  const bool is_first = samples_.empty();
  if (samples_.empty() || now - samples_.back().at >= limits_.keep / kSamples)
    samples_.push_back({now, delivered});
  while (samples_.size() > 1 && now - samples_[1].at >= limits_.keep) samples_.pop_front();
  const std::uint64_t bytes = engine_.stored_bytes();
  const std::uint64_t left = free_bytes - std::min(free_bytes, kDiskLeftMin);
  room_bytes_ =
      limits_.bytes - std::min(bytes, limits_.bytes) > left ? bytes + left : limits_.bytes;
  if (is_first && room_bytes_ < limits_.bytes)
    log_.warning("the disk has less space than the spool may take (broker.spool_mib)",
                 {{"free_bytes", free_bytes}, {"limit_bytes", limits_.bytes}});
  if (bytes >= room_bytes_ / 10 * 9) {
    release(delivered);
  } else if (bytes >= room_bytes_ / 4 * 3 && now - samples_.front().at >= limits_.keep) {
    // A target that was set back since lacks what it had then.
    auto before = samples_.front().delivered;
    for (auto& [shard, next] : before)
      if (const auto at = delivered.find(shard); at != delivered.end())
        next = std::min(next, at->second);
    release(before);
  }
  const bool becomes_free = bytes < std::exchange(bytes_, bytes);
  const bool is_short = bytes >= limits_.bytes / 20 * 19 && !becomes_free && dropping_.empty();
  short_looks_ = is_short ? short_looks_ + 1 : 0;
  if (are_behind(delivered, dropping_)) dropping_.clear();
  disk_is_full_ = free_bytes < kDiskLeftMin;
  const bool is_full = bytes >= limits_.bytes || disk_is_full_;
  if (is_full == std::exchange(full_told_, is_full)) return;
  if (is_full) {
    log_.error(disk_is_full_ && bytes < limits_.bytes
                   ? "the spool is full, records are refused until its disk has space again"
               : limits_.when_full == WhenFull::kReject
                   ? "the spool is full, records are refused until the target takes some"
                   : "the spool is full, records are refused until its oldest ones are gone",
               {{"bytes", bytes}, {"limit_bytes", room_bytes_}});
  } else {
    log_.info("the spool has room again", {{"bytes", bytes}, {"limit_bytes", limits_.bytes}});
  }
}

Status SpoolRoom::takes() const {
  if (engine_.stored_bytes() >= limits_.bytes)
    return Error{ErrorCode::kThrottled, "the spool is full"};
  if (disk_is_full_)
    return Error{ErrorCode::kThrottled, "the spool is full: its disk has no more space"};
  return {};
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
