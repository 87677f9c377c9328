// A record's identity across regions (DESIGN.md, "Records and their identity").
#pragma once

#include <array>
#include <cstdint>

namespace spillway::stream {

using ProducerId = std::array<unsigned char, 16>;

struct Origin {
  ProducerId producer{};       // random, drawn at each start of a broker, for each stream
  std::uint8_t lane = 0;       // the top 8 bits of the record's hash key
  std::uint64_t sequence = 0;  // rises by one per (producer, lane)
  std::uint64_t previous = 0;  // the sequence before it that was or will be sent

  friend bool operator==(const Origin&, const Origin&) = default;
};

}  // namespace spillway::stream
