// What happened in a simulation, as one number: two runs of a seed are the same if theirs are.
#pragma once

#include <cstdint>
#include <string_view>

namespace spillway::sim {

class History {
 public:
  void add(std::uint64_t number) { mix(number); }
  void add(std::string_view text) {
    for (const char c : text) mix(static_cast<unsigned char>(c));
    mix(text.size());
  }

  std::uint64_t digest() const { return digest_; }
  std::uint64_t events() const { return events_; }

 private:
  // FNV-1a, by words.
  void mix(std::uint64_t word) {
    digest_ = (digest_ ^ word) * 0x100000001b3;
    digest_ ^= digest_ >> 29;
    ++events_;
  }
  std::uint64_t digest_ = 0xcbf29ce484222325;
  std::uint64_t events_ = 0;
};

}  // namespace spillway::sim
