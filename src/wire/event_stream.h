// AWS's event stream encoding, application/vnd.amazon.eventstream: messages one after the other,
// each with headers and a payload. All integers are big-endian:
//
//   u32 size of the message | u32 size of the headers | u32 CRC-32 of these eight bytes
//   | headers | payload | u32 CRC-32 of everything before
//
// A header: u8 size of its name | name | u8 type, 7 for a string | u16 size of its value | value.
#pragma once

#include <span>
#include <string_view>

#include "base/shared_bytes.h"

namespace spillway::wire {

struct EventHeader {
  std::string_view name;   // at most 255 bytes
  std::string_view value;  // at most 65,535
};

// The message in one piece: every client that gets it shares it, and it goes out as one chunk.
SharedBytes encode_event(std::span<const EventHeader> headers, std::string_view payload);

}  // namespace spillway::wire
