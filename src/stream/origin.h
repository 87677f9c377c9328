// A record's identity across regions (DESIGN.md, "Records and their identity").
// docs/formats/origin.md has its forms.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace spillway::stream {

using ProducerId = std::array<unsigned char, 16>;

struct Origin {
  ProducerId producer{};       // random, drawn at each start of a broker, for each stream
  std::uint8_t lane = 0;       // the top 8 bits of the record's hash key
  std::uint64_t sequence = 0;  // rises by one per (producer, lane), from 1 on
  std::uint64_t previous = 0;  // the sequence before it that was or will be sent; 0: none

  friend bool operator==(const Origin&, const Origin&) = default;
};

// PRODUCER.LANE.SEQUENCE.PREVIOUS, as below and the lane in decimal: how an origin is carried where
// only texts are. Parsing takes nothing that isn't written so, or that contradicts itself.
std::string to_string(const Origin& origin);
std::optional<Origin> parse_origin(std::string_view text);

// As it is sent: 32 digits of lower-case hexadecimal.
std::string to_string(const ProducerId& producer);
std::optional<ProducerId> parse_producer(std::string_view text);
// Decimal, without leading zeros, of at most 19 digits: 64 bits hold them all.
std::optional<std::uint64_t> parse_sequence(std::string_view text);

}  // namespace spillway::stream
