// How much a single access key may ask for: requests and bytes a second.
#pragma once

#include <cstdint>
#include <mutex>

#include "base/time.h"

namespace spillway::auth {

struct RateLimits {
  std::uint64_t requests_per_second = 0;  // 0: as many as it likes
  std::uint64_t bytes_per_second = 0;     // of bodies, both ways; likewise

  bool any() const { return requests_per_second > 0 || bytes_per_second > 0; }
  friend bool operator==(const RateLimits&, const RateLimits&) = default;
};

// Token buckets that hold a second's worth each. What a request costs in bytes is known only when
// it is answered, so it is paid for afterwards: while the bucket is in debt, nothing more is let
// through. Any thread.
class RateLimiter {
 public:
  explicit RateLimiter(RateLimits limits) : limits_(limits) {}

  const RateLimits& limits() const { return limits_; }
  // Whether a request may go on; it has then been counted.
  bool take_request(MonoTime now);
  void pay(std::uint64_t bytes);

 private:
  struct Bucket {
    double tokens = 0;
    void refill(double elapsed_s, std::uint64_t per_second);
  };

  const RateLimits limits_;
  std::mutex mutex_;  // all below
  bool begun_ = false;
  MonoTime refilled_{};
  Bucket requests_;
  Bucket bytes_;
};

}  // namespace spillway::auth
