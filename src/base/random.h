// A seeded generator: the same seed gives the same numbers on every machine. Not for secrets (see
// io/entropy.h).
#pragma once

#include <cstdint>

namespace spillway {

// xoshiro256++ (Blackman and Vigna, 2019), seeded through splitmix64.
class Random {
 public:
  explicit Random(std::uint64_t seed);

  std::uint64_t next();
  // Uniform in [0, bound); bound > 0.
  std::uint64_t below(std::uint64_t bound);
  // Uniform in [low, high].
  std::int64_t between(std::int64_t low, std::int64_t high);
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  // A generator of its own, whose numbers don't depend on how often this one is asked later.
  Random fork() { return Random(next()); }

 private:
  std::uint64_t state_[4];
};

}  // namespace spillway
