#include "broker/otlp_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <concepts>
#include <iterator>
#include <ranges>

#include "base/base64.h"
#include "broker/http_records.h"
#include "broker/json_object.h"
#include "broker/otlp_json.h"

namespace spillway::broker {
namespace {

using wire::ProtobufField;
using wire::ProtobufReader;
using wire::WireType;

// Of one record and the messages around what is read of it: beyond, it can't fit into a record.
constexpr std::size_t kFieldsMax = kHttpRecordBytesMax / 2;

Error not_protobuf() { return {ErrorCode::kInvalid, "it is not protobuf, or cut short"}; }

Error too_many_fields() {
  return {ErrorCode::kInvalid, fmt::format("a record has more than {} values", kFieldsMax)};
}

WireType wire_type_of(OtlpType type) {
  switch (type) {
    case OtlpType::kText:
    case OtlpType::kId:
    case OtlpType::kBytes:
    case OtlpType::kMessage:
      return WireType::kBytes;
    case OtlpType::kBool:
    case OtlpType::kUnsigned:
    case OtlpType::kInt64:
    case OtlpType::kZigzag:
      return WireType::kVarint;
    case OtlpType::kFixed32:
      return WireType::kFixed32;
    case OtlpType::kFixed64:
    case OtlpType::kSfixed64:
    case OtlpType::kTime:
    case OtlpType::kDouble:
      return WireType::kFixed64;
  }
  return WireType::kVarint;
}

void append_number(std::string& to, std::integral auto number) {
  const fmt::format_int text(number);
  to.append(text.data(), text.size());
}

// As short as it can be to be read as the same again. JSON has no word for those that aren't
// finite: texts, as in OTLP/JSON.
void append_double(std::string& to, double number) {
  if (std::isfinite(number)) {
    fmt::format_to(std::back_inserter(to), "{}", number);
    return;
  }
  to += std::isnan(number) ? "\"NaN\"" : number > 0 ? "\"Infinity\"" : "\"-Infinity\"";
}

void append_base64(std::string& to, std::string_view bytes) {
  to += '"';
  const std::size_t begin = to.size();
  to.resize(begin + base64_encoded_size(bytes.size()));
  base64_encode(bytes, to.data() + begin);
  to += '"';
}

void append_hex(std::string& to, std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  const std::size_t begin = to.size();
  to.resize(begin + 2 * bytes.size() + 2, '"');
  char* at = to.data() + begin + 1;
  for (const char c : bytes) {
    *at++ = kDigits[static_cast<unsigned char>(c) >> 4];
    *at++ = kDigits[static_cast<unsigned char>(c) & 15];
  }
}

void append_name(std::string& to, std::string_view name) {
  to += to.back() == '{' ? std::string_view("\"") : std::string_view(",\"");
  to += name;
  to += std::string_view("\":");
}

// Keeps the order of equals. Of few, which are most of all, without the memory that a sort takes.
void sort(auto found) {
  constexpr std::ptrdiff_t kFew = 32;
  const auto index = [](const auto& known) { return known.index; };
  if (std::ranges::ssize(found) > kFew) {
    std::ranges::stable_sort(found, {}, index);
    return;
  }
  for (auto at = found.begin(); at != found.end(); ++at)
    std::rotate(std::ranges::upper_bound(found.begin(), at, index(*at), {}, index), at, at + 1);
}

std::int64_t signed_of(std::uint64_t integer) { return static_cast<std::int64_t>(integer); }

}  // namespace

Status OtlpText::append_members(std::string& to, const OtlpMessage& message,
                                std::string_view bytes) {
  fields_.clear();
  return add_members(to, message, bytes, 0);
}

Status OtlpText::read(const OtlpMessage& message, std::string_view bytes) {
  const auto begin = static_cast<std::ptrdiff_t>(fields_.size());
  ProtobufReader reader(bytes);
  for (ProtobufField field; reader.next(field);) {
    if (fields_.size() > kFieldsMax) return too_many_fields();
    const auto* known = message.find(field.number);
    if (known == nullptr) continue;
    const auto index = static_cast<std::size_t>(known - message.fields.data());
    const auto type = wire_type_of(known->type);
    if (field.type == type) {
      fields_.push_back({index, field});
    } else if (known->repeated && field.type == WireType::kBytes) {  // packed
      ProtobufReader packed(field.bytes);
      while (packed.ok() && !packed.rest().empty()) {
        const auto integer = type == WireType::kVarint ? packed.varint() : packed.fixed(8);
        fields_.push_back({index, {field.number, type, integer, {}}});
        if (fields_.size() > kFieldsMax) return too_many_fields();
      }
      if (!packed.ok()) return not_protobuf();
    }
  }
  if (!reader.ok()) return not_protobuf();
  // Most exporters write them in an order that is the table's already.
  const std::ranges::subrange found(fields_.begin() + begin, fields_.end());
  if (!std::ranges::is_sorted(found, {}, &Known::index)) sort(found);
  return {};
}

Status OtlpText::add_members(std::string& to, const OtlpMessage& message, std::string_view bytes,
                             std::size_t depth) {
  if (depth > kOtlpDepthMax) {
    return Error{ErrorCode::kInvalid,
                 fmt::format("it is nested deeper than {} messages", kOtlpDepthMax)};
  }
  const std::size_t first = fields_.size();
  SPILLWAY_TRY(read(message, bytes));
  const std::size_t last = fields_.size();
  for (std::size_t begin = first; begin < last;) {
    std::size_t end = begin + 1;
    while (end < last && fields_[end].index == fields_[begin].index) ++end;
    SPILLWAY_TRY(add_member(to, message.fields[fields_[begin].index], begin, end, depth));
    begin = end;
  }
  fields_.resize(first);
  return {};
}

Status OtlpText::add_member(std::string& to, const OtlpField& of, std::size_t begin,
                            std::size_t end, std::size_t depth) {
  append_name(to, of.name);
  if (!of.repeated) return add_value(to, of, ProtobufField(fields_[end - 1].field), depth);
  if (of.message == &kOtlpKeyValue) return add_attributes(to, begin, end, depth);
  to += '[';
  for (std::size_t i = begin; i < end; ++i) {
    if (i > begin) to += ',';
    SPILLWAY_TRY(add_value(to, of, ProtobufField(fields_[i].field), depth));
  }
  to += ']';
  return {};
}

Status OtlpText::add_attributes(std::string& to, std::size_t begin, std::size_t end,
                                std::size_t depth) {
  to += '{';
  for (std::size_t i = begin; i < end; ++i) {
    if (i > begin) to += ',';
    SPILLWAY_TRY(add_attribute(to, fields_[i].field.bytes, depth + 1));
  }
  to += '}';
  return {};
}

Status OtlpText::add_attribute(std::string& to, std::string_view pair, std::size_t depth) {
  std::string_view key;
  std::string_view value;
  ProtobufReader reader(pair);
  for (ProtobufField field; reader.next(field);) {
    if (field.type != WireType::kBytes) continue;
    if (field.number == 1) key = field.bytes;
    if (field.number == 2) value = field.bytes;
  }
  if (!reader.ok()) return not_protobuf();
  append_json_text(to, key);
  to += ':';
  return add_any(to, value, depth + 1);
}

// The value itself, without the name of its type.
Status OtlpText::add_any(std::string& to, std::string_view value, std::size_t depth) {
  const OtlpField* known = nullptr;  // of several, which OTLP forbids, the table's last one
  ProtobufField found;
  ProtobufReader reader(value);
  for (ProtobufField field; reader.next(field);) {
    const auto* one = kOtlpAnyValue.find(field.number);
    if (one == nullptr || field.type != wire_type_of(one->type)) continue;
    if (known != nullptr && one < known) continue;
    known = one;
    found = field;
  }
  if (!reader.ok()) return not_protobuf();
  if (known == nullptr) {
    to += "null";
    return {};
  }
  const OtlpField& of = *known;
  if (of.type != OtlpType::kMessage) return add_value(to, of, found, depth);
  // An array or a list of pairs: its elements, without the message around them.
  if (depth + 1 > kOtlpDepthMax) return add_members(to, *of.message, {}, depth + 1);
  const std::size_t first = fields_.size();
  SPILLWAY_TRY(read(*of.message, found.bytes));
  const std::size_t last = fields_.size();
  if (of.message->fields[0].message == &kOtlpKeyValue) {
    SPILLWAY_TRY(add_attributes(to, first, last, depth + 1));
  } else {
    to += '[';
    for (std::size_t i = first; i < last; ++i) {
      if (i > first) to += ',';
      SPILLWAY_TRY(add_any(to, fields_[i].field.bytes, depth + 2));
    }
    to += ']';
  }
  fields_.resize(first);
  return {};
}

Status OtlpText::add_value(std::string& to, const OtlpField& of, const ProtobufField& field,
                           std::size_t depth) {
  switch (of.type) {
    case OtlpType::kMessage:
      if (of.message == &kOtlpAnyValue) return add_any(to, field.bytes, depth + 1);
      to += '{';
      SPILLWAY_TRY(add_members(to, *of.message, field.bytes, depth + 1));
      to += '}';
      break;
    case OtlpType::kText:
      append_json_text(to, field.bytes);
      break;
    case OtlpType::kId:
      append_hex(to, field.bytes);
      break;
    case OtlpType::kBytes:
      append_base64(to, field.bytes);
      break;
    case OtlpType::kBool:
      to += field.integer != 0 ? "true" : "false";
      break;
    case OtlpType::kUnsigned:
    case OtlpType::kFixed32:
    case OtlpType::kFixed64:
      append_number(to, field.integer);
      break;
    case OtlpType::kInt64:
    case OtlpType::kSfixed64:
      append_number(to, signed_of(field.integer));
      break;
    case OtlpType::kZigzag:
      append_number(to, signed_of(field.integer >> 1) ^ -signed_of(field.integer & 1));
      break;
    case OtlpType::kTime:
      to += '"';
      append_number(to, field.integer);
      to += '"';
      break;
    case OtlpType::kDouble:
      append_double(to, std::bit_cast<double>(field.integer));
      break;
  }
  return {};
}

std::string OtlpText::text_attribute(std::string_view resource, std::string_view key) {
  ProtobufReader attributes(resource);
  for (ProtobufField attribute; attributes.next(attribute);) {
    if (attribute.number != 1 || attribute.type != WireType::kBytes) continue;
    std::string_view name;
    std::string_view text;
    ProtobufReader pair(attribute.bytes);
    for (ProtobufField member; pair.next(member);) {
      if (member.type != WireType::kBytes) continue;
      if (member.number == 1) name = member.bytes;
      if (member.number != 2) continue;
      ProtobufReader value(member.bytes);
      for (ProtobufField field; value.next(field);)
        if (field.number == 1 && field.type == WireType::kBytes) text = field.bytes;
    }
    if (name == key) return std::string(text);
  }
  return {};
}

}  // namespace spillway::broker
