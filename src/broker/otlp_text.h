// A message of OTLP in protobuf, as the members of a JSON object, the way records have them
// (docs/formats/otlp-records.md).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "broker/otlp_shapes.h"
#include "wire/protobuf.h"

namespace spillway::broker {

// Keeps its memory from one message to the next.
class OtlpText {
 public:
  // Appends to `to` the members of `bytes`, without braces, in the order of the table; nothing for
  // those that are missing. kInvalid: it isn't protobuf, or nested deeper than kOtlpDepthMax; `to`
  // has part of it then.
  Status append_members(std::string& to, const OtlpMessage& message, std::string_view bytes);

  // What it keeps in memory.
  std::size_t memory() const { return fields_.capacity() * sizeof(Known); }

  // The text of the attribute `key` of a resource; empty where it has none. `resource`: whole, as
  // append_members() took it.
  static std::string text_attribute(std::string_view resource, std::string_view key);

 private:
  struct Known {
    std::size_t index;  // in the table
    wire::ProtobufField field;
  };

  Status add_members(std::string& to, const OtlpMessage& message, std::string_view bytes,
                     std::size_t depth);
  Status add_member(std::string& to, const OtlpField& of, std::size_t begin, std::size_t end,
                    std::size_t depth);
  Status add_attributes(std::string& to, std::size_t begin, std::size_t end, std::size_t depth);
  Status add_attribute(std::string& to, std::string_view pair, std::size_t depth);
  Status add_any(std::string& to, std::string_view value, std::size_t depth);
  Status add_value(std::string& to, const OtlpField& of, const wire::ProtobufField& field,
                   std::size_t depth);
  // Reads the fields that the table knows, behind those that are there, in its order.
  Status read(const OtlpMessage& message, std::string_view bytes);

  std::vector<Known> fields_;  // of the messages around the one that is read too
};

}  // namespace spillway::broker
