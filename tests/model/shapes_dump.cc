// Prints, as JSON, what this build believes of the service model: every operation with the table of
// its input, and every error with its answer. model_test.py holds it against the model.

#include <fmt/format.h>

#include <optional>
#include <string>

#include "kinesis/operation.h"
#include "kinesis/service.h"
#include "wire/kinesis_shapes.h"

namespace spillway {
namespace {

std::string_view name_of(wire::Kind kind) {
  switch (kind) {
    case wire::Kind::kString:
      return "string";
    case wire::Kind::kInteger:
      return "integer";
    case wire::Kind::kBoolean:
      return "boolean";
    case wire::Kind::kBlob:
      return "blob";
    case wire::Kind::kTimestamp:
      return "timestamp";
    case wire::Kind::kStructure:
      return "structure";
    case wire::Kind::kList:
      return "list";
    case wire::Kind::kMap:
      return "map";
  }
  return "";
}

std::string quoted(std::string_view text) {
  std::string json;
  wire::append_json_string(json, text);
  return json;
}

// The model's own members and words, but shapes stand where the model names them.
std::string json_of(const wire::Shape& shape) {
  std::string json = fmt::format(R"({{"type":"{}")", name_of(shape.kind));
  if (shape.min) json += fmt::format(R"(,"min":{})", *shape.min);
  if (shape.max) json += fmt::format(R"(,"max":{})", *shape.max);
  if (!shape.pattern.empty()) json += R"(,"pattern":)" + quoted(shape.pattern);
  const char* separator = R"(,"enum":[)";
  for (const auto value : shape.values) {
    json += separator + quoted(value);
    separator = ",";
  }
  if (!shape.values.empty()) json += ']';
  if (shape.kind == wire::Kind::kStructure) {
    std::string members;
    std::string required;
    for (const auto& member : shape.members) {
      members += (members.empty() ? "" : ",") + quoted(member.name) + ':' + json_of(*member.shape);
      if (member.required) required += (required.empty() ? "" : ",") + quoted(member.name);
    }
    json += fmt::format(R"(,"members":{{{}}})", members);
    if (!required.empty()) json += fmt::format(R"(,"required":[{}])", required);
  }
  if (shape.key != nullptr) json += R"(,"key":)" + json_of(*shape.key);
  if (shape.element != nullptr) {
    json += shape.kind == wire::Kind::kMap ? R"(,"value":)" : R"(,"member":)";
    json += json_of(*shape.element);
  }
  return json + '}';
}

const wire::Shape* input_of(std::string_view operation) {
  for (const auto& input : wire::kinesis::operation_inputs())
    if (input.operation == operation) return input.shape;
  return nullptr;
}

void print() {
  std::string operations;
  for (const auto& operation : kinesis::operations()) {
    const auto* input = input_of(operation.name);
    operations += fmt::format(R"({}{}:{{"offered":{},"input":{}}})", operations.empty() ? "" : ",",
                              quoted(operation.name), operation.handler != nullptr,
                              input != nullptr ? json_of(*input) : "null");
  }
  std::string errors;
  for (int i = 0; i <= static_cast<int>(kinesis::ApiError::kValidation); ++i) {
    const auto reply = kinesis::error_reply(static_cast<kinesis::ApiError>(i), "text");
    errors += fmt::format(
        R"({}{}:{{"status":{},"body":{}}})", errors.empty() ? "" : ",", quoted(reply.error_type),
        reply.status,
        kinesis::error_document(wire::Format::kJson, reply.error_type, reply.error_message).view());
  }
  fmt::print(R"({{"operations":{{{}}},"errors":{{{}}}}})"
             "\n",
             operations, errors);
}

}  // namespace
}  // namespace spillway

int main() {
  spillway::print();
  return 0;
}
