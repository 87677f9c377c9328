// Shapes of a service model as tables, and decoding and validation that are driven by them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "wire/document_writer.h"

namespace spillway::wire {

enum class Kind { kString, kInteger, kBoolean, kBlob, kTimestamp, kStructure, kList, kMap };

struct Shape;

struct Member {
  std::string_view name;
  const Shape* shape;
  bool required = false;
};

// Mirrors a shape of the service model, constraint by constraint (a test holds one against the
// other).
struct Shape {
  Kind kind;
  std::optional<std::int64_t> min;  // of a number, or of a length
  std::optional<std::int64_t> max;
  std::string_view pattern;                  // as the model has it; empty: none
  std::span<const std::string_view> values;  // of an enum; empty: none
  std::span<const Member> members;           // of a structure
  const Shape* element = nullptr;            // of a list, or the values of a map
  const Shape* key = nullptr;                // of a map
};

// A decoded input. Absent members (and null ones) have `present` false. Texts are views into the
// body and the decoder's memory, and live until the body goes or the next decode on the same
// thread.
struct Value {
  const Shape* shape = nullptr;
  bool present = false;
  bool raw = false;          // blob: `text` is its bytes; otherwise their base64
  std::string_view text;     // string, or blob
  std::int64_t integer = 0;  // integer; boolean 0 or 1; timestamp in milliseconds
  // Structure: one a member, in the order of the table. List: elements. Map: keys and values by
  // turns.
  std::vector<Value> children;

  // The member of that name; nullptr where it is not in the table.
  const Value* find(std::string_view member) const;
  // The same where it must be in the table.
  const Value& operator[](std::string_view member) const;
  std::optional<std::string_view> string() const {
    return present ? std::optional(text) : std::nullopt;
  }
};

// Decoding refuses what isn't of the shape's types; members that the shape doesn't know are passed
// over. The error's message is what the API's SerializationException says. A list or map keeps one
// element more than elements_max() at most: enough to see that it is too long.
inline constexpr std::size_t kJsonPadding = 64;
// `body` has kJsonPadding readable bytes behind its end.
Result<Value> decode_json(std::string_view body, const Shape& shape);
// `format` is kCbor or kRpcCbor.
Result<Value> decode_cbor(std::string_view body, const Shape& shape, Format format);

inline std::size_t elements_max(const Shape& shape) {
  return static_cast<std::size_t>(shape.max.value_or(10'000));
}
inline constexpr double kTimestampMsMax = 1e17;  // far beyond any, and far from overflow
// Integers of the API have 32 bits; what lies beyond is taken for the nearest of them, as AWS does.
inline constexpr double kIntegerMin = -2147483648.0;
inline constexpr double kIntegerMax = 2147483647.0;

// What is violated, as the API words it ("Value 'x' at 'streamName' failed to satisfy constraint:
// …"); empty if nothing is. At most `most` of them.
std::vector<std::string> violations(const Value& value, std::size_t most = 10);
// A text's length as the API counts it, in Java's UTF-16 units: a character outside the basic plane
// counts twice.
std::int64_t utf16_length(std::string_view text);

// A blob's bytes: how many there are, if its base64 is right; room that decode_blob() may need; and
// the bytes themselves, of which it gives the number, or nullopt where the base64 is wrong.
std::size_t blob_size(const Value& blob);
std::size_t blob_room(const Value& blob);
std::optional<std::size_t> decode_blob(const Value& blob, char* to);

// Appends `text` as a JSON string, with its quotation marks.
void append_json_string(std::string& to, std::string_view text);
// Of any bytes: where they aren't UTF-8, each of 0x80 and above becomes U+FFFD.
void append_json_bytes(std::string& to, std::string_view bytes);

}  // namespace spillway::wire
