// Shapes of a service model as tables, and decoding and validation that are driven by them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

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
// parsed body's memory and live until the next decode on the same thread.
struct Value {
  const Shape* shape = nullptr;
  bool present = false;
  std::string_view text;     // string; blob: its base64
  std::int64_t integer = 0;  // integer; boolean 0 or 1; timestamp in milliseconds
  // Structure: one a member, in the order of the table. List: elements. Map: keys and values by
  // turns.
  std::vector<Value> children;

  // The member of that name; it must be in the table.
  const Value& operator[](std::string_view member) const;
  std::optional<std::string_view> string() const {
    return present ? std::optional(text) : std::nullopt;
  }
};

// `body` has kJsonPadding readable bytes behind its end. The error's message is what the API's
// SerializationException says.
inline constexpr std::size_t kJsonPadding = 64;
Result<Value> decode_json(std::string_view body, const Shape& shape);

// What is violated, as the API words it ("Value 'x' at 'streamName' failed to satisfy constraint:
// …"); empty if nothing is. At most `most` of them.
std::vector<std::string> violations(const Value& value, std::size_t most = 10);

// How many bytes a blob's base64 stands for.
std::size_t blob_size(std::string_view base64);

// Appends `text` as a JSON string, with its quotation marks.
void append_json_string(std::string& to, std::string_view text);

}  // namespace spillway::wire
