#include "base/random.h"

#include <bit>

#include "base/assert.h"
#include "base/uint128.h"

namespace spillway {

Random::Random(std::uint64_t seed) {
  for (auto& word : state_) {
    seed += 0x9e3779b97f4a7c15;
    std::uint64_t z = seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    word = z ^ (z >> 31);
  }
}

std::uint64_t Random::next() {
  const std::uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
  const std::uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

std::uint64_t Random::below(std::uint64_t bound) {
  SPILLWAY_ASSERT(bound > 0);
  // Lemire's multiplication; its bias is below bound / 2^64.
  return static_cast<std::uint64_t>((Uint128{next()} * bound) >> 64);
}

std::int64_t Random::between(std::int64_t low, std::int64_t high) {
  SPILLWAY_ASSERT(low <= high);
  return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low) + 1));
}

}  // namespace spillway
