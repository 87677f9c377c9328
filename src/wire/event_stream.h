// AWS's event stream encoding, application/vnd.amazon.eventstream: messages one after the other,
// each with headers and a payload. All integers are big-endian:
//
//   u32 size of the message | u32 size of the headers | u32 CRC-32 of these eight bytes
//   | headers | payload | u32 CRC-32 of everything before
//
// A header: u8 size of its name | name | u8 type, 7 for a string | u16 size of its value | value.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "base/shared_bytes.h"

namespace spillway::wire {

struct EventHeader {
  std::string_view name;   // at most 255 bytes
  std::string_view value;  // at most 65,535
};

// The message in three parts, so that a payload that several clients get is shared: what stands
// before it, the payload, its checksum.
std::array<SharedBytes, 3> encode_event(std::span<const EventHeader> headers, SharedBytes payload);

}  // namespace spillway::wire
