#include "broker/otlp_json.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <bit>
#include <charconv>
#include <limits>
#include <optional>

#include "base/base64.h"
#include "wire/protobuf.h"

namespace spillway::broker {
namespace {

using simdjson::dom::element;

static_assert(kOtlpBodyPadding >= simdjson::SIMDJSON_PADDING);

Error invalid(std::string why) { return {ErrorCode::kInvalid, std::move(why)}; }

Error of_another_type(const OtlpField& field) {
  return invalid(fmt::format("{} is of another type, or too large for its own", field.name));
}

// All of `text`; nullopt where it isn't such a number.
template <typename T>
std::optional<T> number_in(std::string_view text) {
  T number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<std::uint64_t> unsigned_of(element value) {
  if (value.is_uint64()) return std::uint64_t(value);
  if (value.is_string()) return number_in<std::uint64_t>(std::string_view(value));
  return std::nullopt;
}

std::optional<std::int64_t> signed_of(element value) {
  if (value.is_int64()) return std::int64_t(value);
  if (value.is_string()) return number_in<std::int64_t>(std::string_view(value));
  return std::nullopt;
}

std::optional<double> double_of(element value) {
  if (value.is_number()) return double(value);
  if (!value.is_string()) return std::nullopt;
  const std::string_view text(value);
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text == "Infinity") return std::numeric_limits<double>::infinity();
  if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
  return number_in<double>(text);
}

std::optional<std::string> bytes_in_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    unsigned char byte = 0;
    const auto [end, error] = std::from_chars(text.data() + i, text.data() + i + 2, byte, 16);
    if (error != std::errc() || end != text.data() + i + 2) return std::nullopt;
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

std::optional<std::string> bytes_in_base64(std::string_view text) {
  std::string bytes(base64_decoded_size_max(text.size()), '\0');
  const auto size = base64_decode(text, bytes.data());
  if (!size) return std::nullopt;
  bytes.resize(*size);
  return bytes;
}

constexpr std::uint64_t zigzag(std::int64_t value) {
  return static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
}

class Transcoder {
 public:
  explicit Transcoder(std::size_t size) { out_.reserve(size); }

  Status add_members(const OtlpMessage& message, element value, const OtlpField* of,
                     std::size_t depth) {
    if (depth > kOtlpDepthMax)
      return invalid(fmt::format("it is nested deeper than {} messages", kOtlpDepthMax));
    simdjson::dom::object object;
    if (value.get(object) != simdjson::SUCCESS)
      return of == nullptr ? invalid("it is not an object") : of_another_type(*of);
    for (const auto [name, member] : object) {
      const auto* field = message.find(name);
      if (field == nullptr || member.is_null()) continue;
      SPILLWAY_TRY(field->repeated ? add_list(*field, member, depth)
                                   : add_value(*field, member, depth));
    }
    return {};
  }
  std::string take() && { return std::move(out_); }

 private:
  Status add_list(const OtlpField& field, element value, std::size_t depth) {
    simdjson::dom::array array;
    if (value.get(array) != simdjson::SUCCESS) return of_another_type(field);
    for (const auto one : array) SPILLWAY_TRY(add_value(field, one, depth));
    return {};
  }

  Status add_value(const OtlpField& field, element value, std::size_t depth) {
    if (field.type == OtlpType::kMessage) {
      const auto begun = wire::begin_message(out_, field.number);
      SPILLWAY_TRY(add_members(*field.message, value, &field, depth + 1));
      wire::end_message(out_, begun);
      return {};
    }
    return add_scalar(field, value) ? Status() : of_another_type(field);
  }

  // False: it is of another type.
  bool add_scalar(const OtlpField& field, element value) {
    switch (field.type) {
      case OtlpType::kText:
      case OtlpType::kId:
      case OtlpType::kBytes:
        return value.is_string() && add_text(field, std::string_view(value));
      case OtlpType::kBool:
        if (!value.is_bool()) return false;
        wire::append_integer(out_, field.number, bool(value) ? 1 : 0);
        return true;
      case OtlpType::kDouble: {
        const auto number = double_of(value);
        if (number) wire::append_fixed64(out_, field.number, std::bit_cast<std::uint64_t>(*number));
        return number.has_value();
      }
      case OtlpType::kInt64:
      case OtlpType::kZigzag:
      case OtlpType::kSfixed64:
        return add_signed(field, signed_of(value));
      case OtlpType::kUnsigned:
      case OtlpType::kFixed32:
      case OtlpType::kFixed64:
      case OtlpType::kTime:
        return add_unsigned(field, unsigned_of(value));
      case OtlpType::kMessage:
        break;
    }
    return false;
  }

  bool add_text(const OtlpField& field, std::string_view text) {
    if (field.type == OtlpType::kText) {
      wire::append_bytes(out_, field.number, text);
      return true;
    }
    const auto bytes = field.type == OtlpType::kId ? bytes_in_hex(text) : bytes_in_base64(text);
    if (bytes) wire::append_bytes(out_, field.number, *bytes);
    return bytes.has_value();
  }

  bool add_signed(const OtlpField& field, std::optional<std::int64_t> number) {
    if (!number) return false;
    if (field.type == OtlpType::kSfixed64) {
      wire::append_fixed64(out_, field.number, static_cast<std::uint64_t>(*number));
    } else {
      wire::append_integer(
          out_, field.number,
          field.type == OtlpType::kZigzag ? zigzag(*number) : static_cast<std::uint64_t>(*number));
    }
    return true;
  }

  bool add_unsigned(const OtlpField& field, std::optional<std::uint64_t> number) {
    if (!number) return false;
    if (field.type == OtlpType::kUnsigned) {
      wire::append_integer(out_, field.number, *number);
    } else if (field.type == OtlpType::kFixed32) {
      if (*number > std::numeric_limits<std::uint32_t>::max()) return false;
      wire::append_fixed32(out_, field.number, static_cast<std::uint32_t>(*number));
    } else {
      wire::append_fixed64(out_, field.number, *number);
    }
    return true;
  }

  std::string out_;
};

}  // namespace

Result<std::string> otlp_json_to_protobuf(const OtlpMessage& message, std::string_view json) {
  simdjson::dom::parser parser;
  element document;
  const auto error =
      parser.parse(json.data(), json.size(), /*realloc_if_needed=*/false).get(document);
  if (error != simdjson::SUCCESS)
    return invalid(fmt::format("it is not JSON: {}", simdjson::error_message(error)));
  Transcoder transcoder(json.size());
  SPILLWAY_TRY(transcoder.add_members(message, document, nullptr, 0));
  return std::move(transcoder).take();
}

}  // namespace spillway::broker
