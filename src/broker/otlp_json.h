// OTLP/JSON: a request as JSON, by the tables of otlp_shapes.h, made into the same in protobuf, so
// that what follows knows one form alone.
//
// It is protobuf's own JSON mapping with two exceptions that OTLP makes: ids of traces and spans
// are hexadecimal digits, enumerations are numbers. Integers may be texts, null is as good as
// missing, and names that aren't known are passed over.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "broker/otlp_shapes.h"

namespace spillway::broker {

// Messages in messages, in either form, as deep as protobuf's own readers take them.
inline constexpr std::size_t kOtlpDepthMax = 100;
// Readable bytes that stand behind a body in JSON.
inline constexpr std::size_t kOtlpBodyPadding = 64;
// What a body of so many bytes may take as a document, for whose values, texts and their offsets
// simdjson allocates as the worst of bodies would need it, and made into protobuf: a number of one
// digit, in a list, becomes one of eight bytes with its name.
constexpr std::size_t otlp_json_bytes_max(std::size_t body_bytes) { return (14 + 5) * body_bytes; }

// kInvalid: it isn't JSON, is nested deeper than kOtlpDepthMax, or a value is of another type than
// its name says.
Result<std::string> otlp_json_to_protobuf(const OtlpMessage& message, std::string_view json);

}  // namespace spillway::broker
