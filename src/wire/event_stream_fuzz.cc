// Two ways: any bytes, read as messages; and any headers and payload, encoded and read back.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/assert.h"
#include "wire/event_stream.h"
#include "wire/event_stream_reader.h"

namespace {

using namespace spillway;

// The input, a piece at a time; its first byte says how much.
std::string take_piece(std::string_view& rest) {
  if (rest.empty()) return "";
  const std::size_t size = static_cast<unsigned char>(rest.front());
  rest.remove_prefix(1);
  std::string piece(rest.substr(0, size));
  rest.remove_prefix(piece.size());
  return piece;
}

void check_round_trip(std::string_view rest) {
  wire::DecodedEvent event;
  while (event.headers.size() < 8 && rest.size() > 2) {
    std::string name = take_piece(rest);
    event.headers[std::move(name)] = take_piece(rest);
  }
  event.payload = rest;
  std::vector<wire::EventHeader> headers;
  for (const auto& [name, value] : event.headers) headers.push_back({name, value});
  std::string bytes(wire::encode_event(headers, event.payload).view());
  std::string_view left = bytes;
  const auto decoded = wire::take_event(left);
  SPILLWAY_ASSERT(decoded && left.empty());
  SPILLWAY_ASSERT(decoded->headers == event.headers && decoded->payload == event.payload);
  // Any change of a byte is noticed.
  const std::size_t at = (event.payload.size() * 7 + event.headers.size()) % bytes.size();
  bytes[at] = static_cast<char>(bytes[at] ^ 1);
  left = bytes;
  SPILLWAY_ASSERT(!wire::take_event(left));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  std::string_view messages = input;
  while (wire::take_event(messages)) {
  }
  check_round_trip(input);
  return 0;
}
