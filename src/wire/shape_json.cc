#include <simdjson.h>

#include <cmath>
#include <cstring>

#include "base/assert.h"
#include "base/base64.h"
#include "wire/mismatch.h"
#include "wire/shapes.h"

namespace spillway::wire {

static_assert(kJsonPadding >= simdjson::SIMDJSON_PADDING);

namespace {

namespace dom = simdjson::dom;

Error serialization(std::string message) { return {ErrorCode::kInvalid, std::move(message)}; }

Status decode_value(dom::element from, const Shape& shape, Value& to);

Status decode_structure(dom::object from, const Shape& shape, Value& to) {
  to.children.resize(shape.members.size());
  for (std::size_t i = 0; i < shape.members.size(); ++i)
    to.children[i].shape = shape.members[i].shape;
  for (const auto field : from) {
    for (std::size_t i = 0; i < shape.members.size(); ++i) {
      if (field.key != shape.members[i].name) continue;
      to.children[i] = Value{.shape = shape.members[i].shape};
      SPILLWAY_TRY(decode_value(field.value, *shape.members[i].shape, to.children[i]));
    }
  }
  return {};
}

Error mismatch(dom::element found, const Shape& shape) {
  switch (found.type()) {
    case dom::element_type::BOOL:
      return mismatch(Found::kBoolean, shape);
    case dom::element_type::STRING:
      return mismatch(Found::kString, shape);
    case dom::element_type::ARRAY:
      return mismatch(Found::kList, shape);
    case dom::element_type::OBJECT:
      return mismatch(Found::kMap, shape);
    case dom::element_type::INT64:
    case dom::element_type::UINT64:
    case dom::element_type::DOUBLE:
    case dom::element_type::NULL_VALUE:
      break;
  }
  return mismatch(Found::kNumber, shape);
}

Status decode_timestamp(dom::element from, const Shape& shape, Value& to) {
  double seconds = 0;
  if (from.get_double().get(seconds) != simdjson::SUCCESS) return mismatch(from, shape);
  if (!(std::abs(seconds) * 1000 < kTimestampMsMax))
    return serialization("A timestamp is out of range");
  to.integer = std::llround(seconds * 1000);
  return {};
}

Status decode_list(dom::array from, const Shape& shape, Value& to) {
  to.children.reserve(std::min(from.size(), elements_max(shape) + 1));
  for (const auto element : from) {
    if (to.children.size() > elements_max(shape)) break;
    to.children.push_back(Value{.shape = shape.element});
    SPILLWAY_TRY(decode_value(element, *shape.element, to.children.back()));
  }
  return {};
}

Status decode_map(dom::object from, const Shape& shape, Value& to) {
  for (const auto field : from) {
    if (to.children.size() > 2 * elements_max(shape)) break;
    to.children.push_back(Value{.shape = shape.key, .present = true, .text = field.key});
    to.children.push_back(Value{.shape = shape.element});
    SPILLWAY_TRY(decode_value(field.value, *shape.element, to.children.back()));
  }
  return {};
}

Status decode_value(dom::element from, const Shape& shape, Value& to) {
  if (from.is_null()) return {};
  to.present = true;
  switch (shape.kind) {
    case Kind::kString:
    case Kind::kBlob:
      if (from.get_string().get(to.text) == simdjson::SUCCESS) return {};
      break;
    case Kind::kBoolean:
      if (bool boolean = false; from.get_bool().get(boolean) == simdjson::SUCCESS) {
        to.integer = boolean ? 1 : 0;
        return {};
      }
      break;
    case Kind::kInteger:
      // As AWS takes it: without its fraction, and the nearest that 32 bits hold.
      if (double number = 0; from.get_double().get(number) == simdjson::SUCCESS) {
        to.integer = static_cast<std::int64_t>(std::clamp(number, kIntegerMin, kIntegerMax));
        return {};
      }
      break;
    case Kind::kTimestamp:
      return decode_timestamp(from, shape, to);
    case Kind::kStructure:
      if (dom::object object; from.get_object().get(object) == simdjson::SUCCESS)
        return decode_structure(object, shape, to);
      break;
    case Kind::kList:
      if (dom::array array; from.get_array().get(array) == simdjson::SUCCESS)
        return decode_list(array, shape, to);
      break;
    case Kind::kMap:
      if (dom::object object; from.get_object().get(object) == simdjson::SUCCESS)
        return decode_map(object, shape, to);
      break;
  }
  return mismatch(from, shape);
}

}  // namespace

Result<Value> decode_json(std::string_view body, const Shape& shape) {
  // A parser keeps its memory from one request to the next; making one costs more than a small
  // body.
  thread_local dom::parser parser;
  dom::element root;
  if (const auto error = parser.parse(body.data(), body.size(), false).get(root);
      error != simdjson::SUCCESS)
    return serialization(simdjson::error_message(error));
  if (!root.is_object()) return serialization("Start of structure or map expected");
  Value value{.shape = &shape};
  SPILLWAY_TRY(decode_value(root, shape, value));
  return value;
}

const Value* Value::find(std::string_view member) const {
  for (std::size_t i = 0; i < shape->members.size(); ++i)
    if (shape->members[i].name == member) return &children[i];
  return nullptr;
}

const Value& Value::operator[](std::string_view member) const {
  const Value* value = find(member);
  SPILLWAY_ASSERT(value != nullptr);  // the table and its reader disagree
  return *value;
}

std::size_t blob_size(const Value& blob) {
  if (blob.raw) return blob.text.size();
  const std::size_t size = base64_decoded_size_max(blob.text.size());
  if (blob.text.ends_with("==")) return size - std::min<std::size_t>(size, 2);
  return blob.text.ends_with('=') ? size - std::min<std::size_t>(size, 1) : size;
}

std::size_t blob_room(const Value& blob) {
  return blob.raw ? blob.text.size() : base64_decoded_size_max(blob.text.size());
}

std::optional<std::size_t> decode_blob(const Value& blob, char* to) {
  if (!blob.raw) return base64_decode(blob.text, to);
  if (!blob.text.empty()) std::memcpy(to, blob.text.data(), blob.text.size());
  return blob.text.size();
}

void append_json_string(std::string& to, std::string_view text) {
  to.push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      to.push_back('\\');
      to.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      fmt::format_to(std::back_inserter(to), "\\u{:04x}", static_cast<unsigned>(c));
    } else {
      to.push_back(c);
    }
  }
  to.push_back('"');
}

void append_json_bytes(std::string& to, std::string_view bytes) {
  if (simdjson::validate_utf8(bytes.data(), bytes.size())) return append_json_string(to, bytes);
  std::string replaced;
  for (const char c : bytes) {
    if (static_cast<unsigned char>(c) < 0x80) {
      replaced += c;
    } else {
      replaced += "\xef\xbf\xbd";
    }
  }
  append_json_string(to, replaced);
}

}  // namespace spillway::wire
