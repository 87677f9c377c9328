// How fast the spool is delivered. Delivering takes the cores and the disk that accepting needs,
// and what is delivered late is safe, while what is acknowledged late holds up a producer. So while
// acknowledgements take much longer than they do at best, what is delivered is slowed down step by
// step, and goes faster again step by step when they don't.
//
// It is never slowed below what arrives and a quarter more: a backlog grows smaller, whatever makes
// acknowledgements slow. Copies that can wait (backfill.h) get what that leaves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/time.h"

namespace spillway::broker {

// On one thread.
class Pace {
 public:
  static constexpr nanoseconds kLookEvery = milliseconds(100);
  // A mean of acknowledgements is slow beyond this and beyond kSlowTimes the best one, which is
  // forgotten by a hundredth a second: a disk that has become slower is no reason to yield.
  static constexpr nanoseconds kQuick = milliseconds(3);
  static constexpr int kSlowTimes = 2;
  static constexpr double kSlower = 0.7;
  static constexpr double kFaster = 1.1;
  // Of what arrives, and in bytes a second besides: what may be delivered at any time.
  static constexpr double kAhead = 1.25;
  static constexpr double kRateMin = double{4 << 20};
  // Beyond this there is no limit.
  static constexpr double kRateMax = double{1 << 30};
  // A turn that was not taken is kept for so long, and no request waits longer for its own.
  static constexpr nanoseconds kTurnKept = milliseconds(50);
  static constexpr nanoseconds kWaitMax = milliseconds(250);

  // What inputs were told is accepted, since the start.
  struct Accepted {
    std::uint64_t bytes = 0;  // of data and keys, as take() has them
    std::uint64_t puts = 0;
    nanoseconds took{0};  // all puts together, from each one's arrival to its durability
  };

  // Whether a look is due.
  bool due(MonoTime now) const { return !looked_at_ || now - *looked_at_ >= kLookEvery; }
  void look(const Accepted& accepted, MonoTime now);
  // How long a request with so many bytes of data and keys has to wait before it is sent.
  nanoseconds take(std::size_t bytes, MonoTime now);
  // The same for a request that is sent only while none of those waits: zero where it may be sent
  // now; else when to ask again, and nothing is taken.
  nanoseconds take_spare(std::size_t bytes, MonoTime now);
  // Whether there is a limit now.
  bool yields() const { return rate_.has_value(); }

 private:
  bool slow(const Accepted& since, double seconds);
  void slow_down(double delivering, MonoTime now);

  std::optional<MonoTime> looked_at_;
  Accepted accepted_;
  double arriving_ = 0;         // bytes a second, of about the last second
  std::optional<double> best_;  // mean of acknowledgements, in nanoseconds
  std::uint64_t taken_ = 0;     // bytes, since the last look
  std::optional<double> rate_;  // bytes a second; nullopt: no limit
  MonoTime next_{};             // when the next request may be sent, where there is a limit
};

}  // namespace spillway::broker
