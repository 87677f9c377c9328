// For tests and fuzzers: takes messages of the event stream encoding apart, and notices everything
// that is wrong with them. Header only, so that it is part of no library.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <boost/crc.hpp>

namespace spillway::wire {

struct DecodedEvent {
  std::map<std::string, std::string> headers;
  std::string payload;
};

namespace event_stream_detail {
inline std::uint32_t number(std::string_view bytes) {
  std::uint32_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}
// Another implementation than that under test.
inline std::uint32_t crc(std::string_view bytes) {
  boost::crc_32_type sum;
  sum.process_bytes(bytes.data(), bytes.size());
  return sum.checksum();
}
}  // namespace event_stream_detail

// Takes one message off the front of `bytes`; nullopt where they don't begin with a whole, valid
// one.
inline std::optional<DecodedEvent> take_event(std::string_view& bytes) {
  using event_stream_detail::crc;
  using event_stream_detail::number;
  if (bytes.size() < 16) return std::nullopt;
  const std::size_t size = number(bytes.substr(0, 4));
  const std::size_t headers_size = number(bytes.substr(4, 4));
  if (size > bytes.size() || size < 16 || headers_size > size - 16) return std::nullopt;
  if (number(bytes.substr(8, 4)) != crc(bytes.substr(0, 8))) return std::nullopt;
  if (number(bytes.substr(size - 4, 4)) != crc(bytes.substr(0, size - 4))) return std::nullopt;
  DecodedEvent event;
  std::string_view headers = bytes.substr(12, headers_size);
  const auto take = [&headers](std::size_t count) {
    const auto taken = headers.substr(0, count);
    headers.remove_prefix(taken.size());
    return taken.size() == count ? std::optional(taken) : std::nullopt;
  };
  while (!headers.empty()) {
    const auto name_size = take(1);
    const auto name = take(number(*name_size));
    const auto type = name ? take(1) : std::nullopt;
    if (!type || *type != "\7") return std::nullopt;
    const auto value_size = take(2);
    const auto value = value_size ? take(number(*value_size)) : std::nullopt;
    if (!value) return std::nullopt;
    if (!event.headers.emplace(*name, *value).second) return std::nullopt;
  }
  event.payload = bytes.substr(12 + headers_size, size - 16 - headers_size);
  bytes.remove_prefix(size);
  return event;
}

}  // namespace spillway::wire
