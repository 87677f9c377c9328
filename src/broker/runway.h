// How long the spool takes records at the present rate if none is delivered from now on: its
// runway.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/time.h"
#include "broker/recent_rate.h"
#include "io/event_log.h"
#include "metrics/registry.h"

namespace spillway::broker {

// On one thread, but for the metric.
class Runway {
 public:
  struct Look {
    std::uint64_t accepted_records = 0;  // since the start
    std::uint64_t accepted_bytes = 0;    // their data
    std::uint64_t held_records = 0;      // not delivered, or behind such
    std::uint64_t stored_bytes = 0;
    std::uint64_t limit_bytes = 0;
    bool full = false;  // records are refused
  };

  // `alarm`: a shorter runway is told in the log, once, and that it is over; zero: none is.
  Runway(nanoseconds alarm, io::EventLog& log, metrics::Registry& metrics);

  // Every second or so.
  void look(const Look& look, MonoTime now);
  // As the constructor's, from the next look() on.
  void set_alarm(nanoseconds alarm) { alarm_ = alarm; }
  // nullopt: nothing was accepted lately. Zero while the spool is full.
  std::optional<nanoseconds> left() const { return left_; }

 private:
  static std::uint64_t stored_size(std::uint64_t records, std::uint64_t bytes);
  std::optional<nanoseconds> measure(const Look& look, MonoTime now);

  nanoseconds alarm_;
  io::EventLog& log_;
  metrics::Gauge& seconds_;
  RecentRate rate_;  // in bytes as they are stored
  std::optional<nanoseconds> left_;
  bool was_full_ = false;  // and there is no rate yet of the time since
  bool told_ = false;
};

}  // namespace spillway::broker
