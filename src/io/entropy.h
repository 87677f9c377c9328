#pragma once

#include <cstdint>
#include <span>

namespace spillway::io {

// Unpredictable bytes for keys, ids and tokens. The simulation hands out seeded ones. Any thread.
class Entropy {
 public:
  virtual ~Entropy() = default;
  virtual void fill(std::span<unsigned char> out) = 0;
};

// As a seed, or where one of many is to be chosen.
std::uint64_t random_number(Entropy& entropy);

// getrandom(2).
class SystemEntropy final : public Entropy {
 public:
  void fill(std::span<unsigned char> out) override;
};

}  // namespace spillway::io
