// How many requests a target takes at a time, learned from its answers: more of them while they
// don't make answers slower, fewer when they do, and when the target throttles.
//
// From what a round of requests took, on the average, and what one takes at best:
//
//   gradient = kSlowTimes * max(best, kQuick) / mean, within [1/2, 1]
//   limit    = limit * gradient + kMore
//
// once a round trip, and only where as many were under way as may be: what took long with fewer
// wasn't made slow by them. With answers that take long whatever is sent, the limit stays at
// 2 * kMore. A round of which more than a quarter of the entries were throttled takes it down to
// kThrottled of it; one that lost a request without an answer begins anew, since nobody knows what
// the target is like when it is back.
//
// After TCP Vegas (Brakmo, Peterson 1995), which takes the delay for the sign of a queue, in the
// form of the gradient limits of Netflix's concurrency-limits and of Envoy's adaptive concurrency.
// The best mean is forgotten slowly: a way that has become longer is no queue.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/time.h"

namespace spillway::broker {

// A value. Times don't go back. One thread.
class Concurrency {
 public:
  // Of requests at a time.
  static constexpr std::size_t kFirst = 8;
  static constexpr std::size_t kMax = 64;
  static constexpr std::size_t kMore = 4;
  static constexpr double kThrottled = 0.7;
  // What a mean is slow beyond, and of means that are quick whatever the best one is.
  static constexpr double kSlowTimes = 1.5;
  static constexpr nanoseconds kQuick = milliseconds(5);
  // Of a round, at least.
  static constexpr std::uint32_t kAnswersMin = 4;
  // Of the best mean, a second.
  static constexpr double kForgotten = 0.01;

  // A request under way. Each has exactly one end: answered(), failed() or ended().
  struct Request {
    MonoTime sent{};
  };
  struct Entries {  // of a request
    std::size_t all = 0;
    std::size_t throttled = 0;
  };

  Request sent(MonoTime now);
  // The target has worked on it.
  void answered(const Request& request, const Entries& entries, MonoTime now);
  // Without an answer.
  void failed(MonoTime now);
  // It says nothing: refused as it was, or no longer wanted.
  void ended();

  // Of requests at a time.
  std::size_t limit() const { return static_cast<std::size_t>(limit_); }
  std::size_t under_way() const { return under_way_; }

 private:
  void begin_round(MonoTime now);
  void judge(MonoTime now);

  double limit_ = kFirst;
  std::size_t under_way_ = 0;
  std::optional<double> best_;  // mean of a round, in nanoseconds
  MonoTime best_at_{};

  MonoTime round_began_{};
  std::uint32_t answers_ = 0;  // since then, as what follows
  nanoseconds took_{0};
  std::size_t entries_ = 0;
  std::size_t throttled_ = 0;
  bool reached_ = false;  // as many were under way as may be
};

}  // namespace spillway::broker
