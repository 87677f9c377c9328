#include "wire/event_stream.h"

#include <libdeflate.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "base/assert.h"

namespace spillway::wire {

namespace {

constexpr std::size_t kPreludeSize = 12;
constexpr std::size_t kCrcSize = 4;
constexpr char kString = 7;

template <typename T>
void append_be(std::string& to, T value) {
  for (std::size_t shift = 8 * sizeof(T); shift > 0; shift -= 8)
    to.push_back(static_cast<char>(value >> (shift - 8) & 0xff));
}

std::uint32_t crc_of(std::uint32_t before, std::string_view bytes) {
  if (bytes.empty()) return before;  // a null pointer would begin anew
  return libdeflate_crc32(before, bytes.data(), bytes.size());
}

}  // namespace

SharedBytes encode_event(std::span<const EventHeader> headers, std::string_view payload) {
  std::string head(kPreludeSize, '\0');
  for (const auto& header : headers) {
    SPILLWAY_ASSERT(header.name.size() <= std::numeric_limits<std::uint8_t>::max() &&
                    header.value.size() <= std::numeric_limits<std::uint16_t>::max());
    append_be(head, static_cast<std::uint8_t>(header.name.size()));
    head += header.name;
    head.push_back(kString);
    append_be(head, static_cast<std::uint16_t>(header.value.size()));
    head += header.value;
  }
  const std::size_t size = head.size() + payload.size() + kCrcSize;
  std::string prelude;
  append_be(prelude, static_cast<std::uint32_t>(size));
  append_be(prelude, static_cast<std::uint32_t>(head.size() - kPreludeSize));
  append_be(prelude, crc_of(0, prelude));
  head.replace(0, kPreludeSize, prelude);
  std::string tail;
  append_be(tail, crc_of(crc_of(0, head), payload));
  auto message = SharedBytes::uninitialized(size);
  char* at = message.mutable_data();
  for (const std::string_view part : {std::string_view(head), payload, std::string_view(tail)})
    at = std::ranges::copy(part, at).out;
  return message;
}

}  // namespace spillway::wire
