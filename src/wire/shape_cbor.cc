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

// Each step says whether it went well, and the first that didn't leaves its error in error_: a
// Result for every head and every string would cost more than reading them.
class CborDecoder {
 public:
  CborDecoder(std::string_view bytes, Format format, std::deque<std::string>& joined)
      : bytes_(bytes), format_(format), joined_(joined) {}

  Status decode(const Shape& shape, Value& to) {
    Head head;
    if (next_item(head) && decode_value(head, shape, to)) return {};
    return *std::move(error_);
  }
  bool at_end() const { return at_ == bytes_.size(); }

 private:
  std::size_t remaining() const { return bytes_.size() - at_; }

  bool fail(Error error) {
    error_ = std::move(error);
    return false;
  }
  bool fail(std::string_view message) { return fail(serialization(message)); }

  bool next(Head& head) {
    if (remaining() == 0) return fail("The CBOR ends too early");
    const auto first = static_cast<unsigned char>(bytes_[at_++]);
    head.major = static_cast<Major>(first >> 5);
    head.info = static_cast<std::uint8_t>(first & 31);
    head.argument = 0;
    if (head.info < 24) {
      head.argument = head.info;
      return true;
    }
    if (head.indefinite()) {
      if (head.major <= kNegative || head.major == kTag) return fail("The CBOR is malformed");
      return true;
    }
    if (head.info > 27) return fail("The CBOR is malformed");
    const std::size_t size = std::size_t{1} << (head.info - 24);
    if (remaining() < size) return fail("The CBOR ends too early");
    for (std::size_t i = 0; i < size; ++i)
      head.argument = head.argument << 8 | static_cast<unsigned char>(bytes_[at_++]);
    return true;
  }

  // Behind any tags: what they say is known from the shape.
  bool next_item(Head& head) {
    do {
      if (!next(head)) return false;
    } while (head.major == kTag);
    return true;
  }

  // Whether a list or map goes on, or nullopt; `left` counts down what a definite one has.
  std::optional<bool> goes_on(const Head& container, std::uint64_t& left) {
    if (!container.indefinite()) return left-- > 0;
    if (remaining() == 0) {
      fail("The CBOR ends too early");
      return std::nullopt;
    }
    if (static_cast<unsigned char>(bytes_[at_]) != 0xff) return true;
    ++at_;
    return false;
  }

  bool take(std::uint64_t size, std::string_view& taken) {
    if (size > remaining()) return fail("The CBOR ends too early");
    taken = bytes_.substr(at_, static_cast<std::size_t>(size));
    at_ += taken.size();
    return true;
  }

  // A byte or text string; one in chunks is joined.
  bool string(const Head& head, std::string_view& to) {
    if (!head.indefinite()) return take(head.argument, to);
    if (joined_.size() == kJoinedMax) return fail("Too many strings are in chunks");
    std::string& joined = joined_.emplace_back();
    for (;;) {
      Head chunk;
      if (!next(chunk)) return false;
      if (chunk.is_break()) break;
      if (chunk.major != head.major || chunk.indefinite()) return fail("The CBOR is malformed");
      std::string_view part;
      if (!take(chunk.argument, part)) return false;
      joined += part;
    }
    to = joined;
    return true;
  }

  bool is_utf8(std::string_view text) {
    return simdjson::validate_utf8(text) || fail("A text is not UTF-8");
  }

  // As it is: who keeps it asks is_utf8().
  bool key(std::string_view& to) {
    Head head;
    if (!next_item(head)) return false;
    if (head.major != kText) return fail("A key is not a text");
    return string(head, to);
  }

  // Passes over an item that no shape asks for.
  bool skip(const Head& head, int nesting = 0) {
    switch (head.major) {
      case kUnsigned:
      case kNegative:
        return true;
      case kSimple:
        return !head.is_break() || fail("The CBOR is malformed");
      case kBytes:
      case kText: {
        std::string_view passed;
        if (!string(head, passed)) return false;
        if (head.indefinite()) joined_.pop_back();
        return true;
      }
      case kTag:
      case kList:
      case kMap:
        break;
    }
    if (nesting == kNestingMax) return fail("The CBOR is nested too deeply");
    std::uint64_t left = head.argument;
    for (;;) {
      const auto more = goes_on(head, left);
      if (!more.value_or(false)) return more.has_value();
      for (int i = 0; i < (head.major == kMap ? 2 : 1); ++i) {
        Head item;
        if (!next_item(item) || !skip(item, nesting + 1)) return false;
      }
    }
  }

  bool decode_structure(const Head& head, const Shape& shape, Value& to) {
    if (head.major != kMap) return mismatch(head, shape);
    to.children.resize(shape.members.size());
    for (std::size_t i = 0; i < shape.members.size(); ++i)
      to.children[i].shape = shape.members[i].shape;
    std::uint64_t left = head.argument;
    for (;;) {
      const auto more = goes_on(head, left);
      if (!more.value_or(false)) return more.has_value();
      std::string_view name;
      if (!key(name)) return false;
      std::size_t i = 0;
      while (i < shape.members.size() && shape.members[i].name != name) ++i;
      const bool known = i < shape.members.size();
      Head item;
      if (!(known || is_utf8(name)) || !next_item(item)) return false;
      if (!known) {
        if (!skip(item)) return false;
        continue;
      }
      Value& member = to.children[i];
      if (member.present) member = Value{.shape = member.shape};  // of two the last one counts
      if (!decode_value(item, *member.shape, member)) return false;
    }
  }

  bool decode_list(const Head& head, const Shape& shape, Value& to) {
    if (head.major != kList) return mismatch(head, shape);
    std::uint64_t left = head.argument;
    for (;;) {
      const auto more = goes_on(head, left);
      if (!more.value_or(false)) return more.has_value();
      Head item;
      if (!next_item(item)) return false;
      if (to.children.size() > elements_max(shape)) {
        if (!skip(item)) return false;
        continue;
      }
      to.children.push_back(Value{.shape = shape.element});
      if (!decode_value(item, *shape.element, to.children.back())) return false;
    }
  }

  bool decode_map(const Head& head, const Shape& shape, Value& to) {
    if (head.major != kMap) return mismatch(head, shape);
    std::uint64_t left = head.argument;
    for (;;) {
      const auto more = goes_on(head, left);
      if (!more.value_or(false)) return more.has_value();
      std::string_view name;
      Head item;
      if (!key(name) || !is_utf8(name) || !next_item(item)) return false;
      if (to.children.size() > 2 * elements_max(shape)) {
        if (!skip(item)) return false;
        continue;
      }
      to.children.push_back(Value{.shape = shape.key, .present = true, .text = name});
      to.children.push_back(Value{.shape = shape.element});
      if (!decode_value(item, *shape.element, to.children.back())) return false;
    }
  }

  bool mismatch(const Head& head, const Shape& shape) {
    switch (head.major) {
      case kBytes:
        return fail(wire::mismatch(Found::kBlob, shape));
      case kText:
        return fail(wire::mismatch(Found::kString, shape));
      case kList:
        return fail(wire::mismatch(Found::kList, shape));
      case kMap:
        return fail(wire::mismatch(Found::kMap, shape));
      case kSimple:
        if (head.is_break()) return fail("The CBOR is malformed");
        if (head.is_boolean()) return fail(wire::mismatch(Found::kBoolean, shape));
        break;
      case kUnsigned:
      case kNegative:
      case kTag:
        break;
    }
    return fail(wire::mismatch(Found::kNumber, shape));
  }

  static double whole_number(const Head& head) {
    const auto magnitude = static_cast<double>(head.argument);
    return head.major == kUnsigned ? magnitude : -1 - magnitude;
  }

  bool decode_timestamp(const Head& head, const Shape& shape, Value& to) {
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
    if (!(std::abs(ms) < kTimestampMsMax)) return fail("A timestamp is out of range");
    to.integer = std::llround(ms);
    return true;
  }

  bool decode_value(const Head& head, const Shape& shape, Value& to) {
    if (head.is_null()) return true;
    to.present = true;
    switch (shape.kind) {
      case Kind::kString:
        if (head.major != kText) break;
        return string(head, to.text) && is_utf8(to.text);
      case Kind::kBlob:
        if (head.major != kBytes) break;
        to.raw = true;
        return string(head, to.text);
      case Kind::kBoolean:
        if (!head.is_boolean()) break;
        to.integer = head.argument == kTrue ? 1 : 0;
        return true;
      case Kind::kInteger:
        if (head.major > kNegative) break;
        to.integer =
            static_cast<std::int64_t>(std::clamp(whole_number(head), kIntegerMin, kIntegerMax));
        return true;
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
  std::optional<Error> error_;
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
