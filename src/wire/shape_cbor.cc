// Decoding of CBOR (RFC 8949) into the members of a shape's table.
#include <simdjson.h>

#include <bit>
#include <cmath>
#include <deque>

#include "wire/mismatch.h"
#include "wire/shapes.h"

namespace spillway::wire {

namespace {

// What the API says of a body that isn't CBOR, or not of the shape.
Error serialization(std::string_view message) {
  return {ErrorCode::kInvalid, std::string(message)};
}

enum Major : std::uint8_t { kUnsigned, kNegative, kBytes, kText, kList, kMap, kTag, kSimple };

constexpr std::uint64_t kFalse = 20;
constexpr std::uint64_t kTrue = 21;
constexpr std::uint64_t kNull = 22;
constexpr std::uint64_t kUndefined = 23;
constexpr int kNestingMax = 64;           // of what no shape knows
constexpr std::size_t kJoinedMax = 4096;  // strings in chunks that a body may have

// The head of an item; RFC 8949 section 3.
struct Head {
  Major major = kSimple;
  std::uint8_t info = 0;  // 31: of indefinite length, or a break
  std::uint64_t argument = 0;

  bool indefinite() const { return info == 31; }
  bool is_break() const { return major == kSimple && info == 31; }
  bool is_null() const {
    return major == kSimple && info < 25 && (argument == kNull || argument == kUndefined);
  }
  bool is_boolean() const {
    return major == kSimple && info < 25 && (argument == kFalse || argument == kTrue);
  }
};

class CborDecoder {
 public:
  CborDecoder(std::string_view bytes, Format format, std::deque<std::string>& joined)
      : bytes_(bytes), format_(format), joined_(joined) {}

  Status decode(const Shape& shape, Value& to) {
    SPILLWAY_ASSIGN(const Head head, next_item());
    return decode_value(head, shape, to);
  }
  bool at_end() const { return at_ == bytes_.size(); }

 private:
  std::size_t remaining() const { return bytes_.size() - at_; }

  Result<Head> next() {
    if (remaining() == 0) return serialization("The CBOR ends too early");
    const auto first = static_cast<unsigned char>(bytes_[at_++]);
    Head head{static_cast<Major>(first >> 5), static_cast<std::uint8_t>(first & 31), 0};
    if (head.info < 24) {
      head.argument = head.info;
      return head;
    }
    if (head.indefinite()) {
      if (head.major <= kNegative || head.major == kTag)
        return serialization("The CBOR is malformed");
      return head;
    }
    if (head.info > 27) return serialization("The CBOR is malformed");
    const std::size_t size = std::size_t{1} << (head.info - 24);
    if (remaining() < size) return serialization("The CBOR ends too early");
    for (std::size_t i = 0; i < size; ++i)
      head.argument = head.argument << 8 | static_cast<unsigned char>(bytes_[at_++]);
    return head;
  }

  // Behind any tags: what they say is known from the shape.
  Result<Head> next_item() {
    SPILLWAY_ASSIGN(Head head, next());
    while (head.major == kTag) {
      SPILLWAY_ASSIGN(head, next());
    }
    return head;
  }

  // Whether a list or map goes on; `left` counts down what a definite one has.
  Result<bool> goes_on(const Head& container, std::uint64_t& left) {
    if (!container.indefinite()) return left-- > 0;
    if (remaining() == 0) return serialization("The CBOR ends too early");
    if (static_cast<unsigned char>(bytes_[at_]) != 0xff) return true;
    ++at_;
    return false;
  }

  Result<std::string_view> take(std::uint64_t size) {
    if (size > remaining()) return serialization("The CBOR ends too early");
    const auto taken = bytes_.substr(at_, static_cast<std::size_t>(size));
    at_ += taken.size();
    return taken;
  }

  // A byte or text string; one in chunks is joined.
  Result<std::string_view> string(const Head& head) {
    if (!head.indefinite()) return take(head.argument);
    if (joined_.size() == kJoinedMax) return serialization("Too many strings are in chunks");
    std::string& joined = joined_.emplace_back();
    for (;;) {
      SPILLWAY_ASSIGN(const Head chunk, next());
      if (chunk.is_break()) return std::string_view(joined);
      if (chunk.major != head.major || chunk.indefinite())
        return serialization("The CBOR is malformed");
      SPILLWAY_ASSIGN(const auto part, take(chunk.argument));
      joined += part;
    }
  }

  Result<std::string_view> text(const Head& head) {
    if (head.major != kText) return serialization("A key is not a text");
    SPILLWAY_ASSIGN(const auto utf8, string(head));
    if (!simdjson::validate_utf8(utf8)) return serialization("A text is not UTF-8");
    return utf8;
  }

  // Passes over an item that no shape asks for.
  Status skip(const Head& head, int nesting = 0) {
    switch (head.major) {
      case kUnsigned:
      case kNegative:
        return {};
      case kSimple:
        return head.is_break() ? serialization("The CBOR is malformed") : Status();
      case kBytes:
      case kText: {
        SPILLWAY_ASSIGN([[maybe_unused]] const auto passed, string(head));
        if (head.indefinite()) joined_.pop_back();
        return {};
      }
      case kTag:
      case kList:
      case kMap:
        break;
    }
    if (nesting == kNestingMax) return serialization("The CBOR is nested too deeply");
    std::uint64_t left = head.argument;
    for (;;) {
      SPILLWAY_ASSIGN(const bool more, goes_on(head, left));
      if (!more) return {};
      for (int i = 0; i < (head.major == kMap ? 2 : 1); ++i) {
        SPILLWAY_ASSIGN(const Head item, next_item());
        SPILLWAY_TRY(skip(item, nesting + 1));
      }
    }
  }

  Status decode_structure(const Head& head, const Shape& shape, Value& to) {
    if (head.major != kMap) return mismatch(head, shape);
    to.children.resize(shape.members.size());
    for (std::size_t i = 0; i < shape.members.size(); ++i)
      to.children[i].shape = shape.members[i].shape;
    std::uint64_t left = head.argument;
    for (;;) {
      SPILLWAY_ASSIGN(const bool more, goes_on(head, left));
      if (!more) return {};
      SPILLWAY_ASSIGN(const Head name_head, next_item());
      SPILLWAY_ASSIGN(const auto name, text(name_head));
      SPILLWAY_ASSIGN(const Head item, next_item());
      std::size_t i = 0;
      while (i < shape.members.size() && shape.members[i].name != name) ++i;
      if (i == shape.members.size()) {
        SPILLWAY_TRY(skip(item));
        continue;
      }
      to.children[i] = Value{.shape = shape.members[i].shape};
      SPILLWAY_TRY(decode_value(item, *shape.members[i].shape, to.children[i]));
    }
  }

  Status decode_list(const Head& head, const Shape& shape, Value& to) {
    if (head.major != kList) return mismatch(head, shape);
    std::uint64_t left = head.argument;
    for (;;) {
      SPILLWAY_ASSIGN(const bool more, goes_on(head, left));
      if (!more) return {};
      SPILLWAY_ASSIGN(const Head item, next_item());
      if (to.children.size() > elements_max(shape)) {
        SPILLWAY_TRY(skip(item));
        continue;
      }
      to.children.push_back(Value{.shape = shape.element});
      SPILLWAY_TRY(decode_value(item, *shape.element, to.children.back()));
    }
  }

  Status decode_map(const Head& head, const Shape& shape, Value& to) {
    if (head.major != kMap) return mismatch(head, shape);
    std::uint64_t left = head.argument;
    for (;;) {
      SPILLWAY_ASSIGN(const bool more, goes_on(head, left));
      if (!more) return {};
      SPILLWAY_ASSIGN(const Head name_head, next_item());
      SPILLWAY_ASSIGN(const auto name, text(name_head));
      SPILLWAY_ASSIGN(const Head item, next_item());
      if (to.children.size() > 2 * elements_max(shape)) {
        SPILLWAY_TRY(skip(item));
        continue;
      }
      to.children.push_back(Value{.shape = shape.key, .present = true, .text = name});
      to.children.push_back(Value{.shape = shape.element});
      SPILLWAY_TRY(decode_value(item, *shape.element, to.children.back()));
    }
  }

  static Error mismatch(const Head& head, const Shape& shape) {
    switch (head.major) {
      case kBytes:
        return wire::mismatch(Found::kBlob, shape);
      case kText:
        return wire::mismatch(Found::kString, shape);
      case kList:
        return wire::mismatch(Found::kList, shape);
      case kMap:
        return wire::mismatch(Found::kMap, shape);
      case kSimple:
        if (head.is_break()) return serialization("The CBOR is malformed");
        if (head.is_boolean()) return wire::mismatch(Found::kBoolean, shape);
        break;
      case kUnsigned:
      case kNegative:
      case kTag:
        break;
    }
    return wire::mismatch(Found::kNumber, shape);
  }

  static double whole_number(const Head& head) {
    const auto magnitude = static_cast<double>(head.argument);
    return head.major == kUnsigned ? magnitude : -1 - magnitude;
  }

  Status decode_timestamp(const Head& head, const Shape& shape, Value& to) const {
    double ms = 0;
    if (head.major <= kNegative) {
      ms = whole_number(head) * (format_ == Format::kRpcCbor ? 1000 : 1);
    } else if (format_ == Format::kRpcCbor && head.major == kSimple && head.info == 27) {
      ms = std::bit_cast<double>(head.argument) * 1000;
    } else if (format_ == Format::kRpcCbor && head.major == kSimple && head.info == 26) {
      ms = double{std::bit_cast<float>(static_cast<std::uint32_t>(head.argument))} * 1000;
    } else {
      return mismatch(head, shape);
    }
    if (!(std::abs(ms) < kTimestampMsMax)) return serialization("A timestamp is out of range");
    to.integer = std::llround(ms);
    return {};
  }

  Status decode_value(const Head& head, const Shape& shape, Value& to) {
    if (head.is_null()) return {};
    to.present = true;
    switch (shape.kind) {
      case Kind::kString: {
        if (head.major != kText) break;
        SPILLWAY_ASSIGN(to.text, text(head));
        return {};
      }
      case Kind::kBlob: {
        if (head.major != kBytes) break;
        to.raw = true;
        SPILLWAY_ASSIGN(to.text, string(head));
        return {};
      }
      case Kind::kBoolean:
        if (!head.is_boolean()) break;
        to.integer = head.argument == kTrue ? 1 : 0;
        return {};
      case Kind::kInteger:
        if (head.major > kNegative) break;
        to.integer =
            static_cast<std::int64_t>(std::clamp(whole_number(head), kIntegerMin, kIntegerMax));
        return {};
      case Kind::kTimestamp:
        return decode_timestamp(head, shape, to);
      case Kind::kStructure:
        return decode_structure(head, shape, to);
      case Kind::kList:
        return decode_list(head, shape, to);
      case Kind::kMap:
        return decode_map(head, shape, to);
    }
    return mismatch(head, shape);
  }

  const std::string_view bytes_;
  const Format format_;
  std::deque<std::string>& joined_;
  std::size_t at_ = 0;
};

}  // namespace

Result<Value> decode_cbor(std::string_view body, const Shape& shape, Format format) {
  thread_local std::deque<std::string> joined;  // as long as the value's texts are promised to live
  joined.clear();
  CborDecoder decoder(body, format, joined);
  Value value{.shape = &shape};
  SPILLWAY_TRY(decoder.decode(shape, value));
  if (!value.present) return serialization("Start of structure or map expected");
  if (!decoder.at_end()) return serialization("Something follows the CBOR");
  return value;
}

}  // namespace spillway::wire
