#include "stream/origin.h"

#include "base/digest.h"

namespace spillway::stream {

namespace {

constexpr std::size_t kSequenceDigits = 19;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

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
