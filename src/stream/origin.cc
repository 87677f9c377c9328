#include "stream/origin.h"

#include <algorithm>

#include "base/digest.h"

namespace spillway::stream {

namespace {

constexpr std::size_t kSequenceDigits = 19;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

std::string to_string(const Origin& origin) {
  return fmt::format("{}.{}.{}.{}", to_string(origin.producer), origin.lane, origin.sequence,
                     origin.previous);
}

std::optional<Origin> parse_origin(std::string_view text) {
  std::array<std::string_view, 4> parts;
  for (auto& part : parts) {
    const std::size_t end = std::min(text.find('.'), text.size());
    part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  const auto producer = parse_producer(parts[0]);
  const auto lane = parse_sequence(parts[1]);
  const auto sequence = parse_sequence(parts[2]);
  const auto previous = parse_sequence(parts[3]);
  if (!text.empty() || !producer || !lane || *lane > UINT8_MAX || !sequence || !previous ||
      *previous >= *sequence)
    return std::nullopt;
  return Origin{*producer, static_cast<std::uint8_t>(*lane), *sequence, *previous};
}

std::string to_string(const ProducerId& producer) { return to_hex(producer); }

std::optional<ProducerId> parse_producer(std::string_view text) {
  ProducerId producer{};
  if (text.size() != 2 * producer.size()) return std::nullopt;
  for (std::size_t i = 0; i < producer.size(); ++i) {
    const int high = hex_digit(text[2 * i]);
    const int low = hex_digit(text[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    producer[i] = static_cast<unsigned char>(high << 4 | low);
  }
  return producer;
}

std::optional<std::uint64_t> parse_sequence(std::string_view text) {
  if (text.empty() || text.size() > kSequenceDigits) return std::nullopt;
  if (text[0] == '0' && text.size() > 1) return std::nullopt;
  std::uint64_t sequence = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    sequence = sequence * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return sequence;
}

}  // namespace spillway::stream
