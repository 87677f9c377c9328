// Protocol Buffers on the wire, as far as messages are read field by field and written the same
// way: whoever reads knows what the numbers mean.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace spillway::wire {

enum class WireType : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct ProtobufField {
  std::uint32_t number = 0;
  WireType type = WireType::kVarint;
  std::uint64_t integer = 0;  // of all types but kBytes, as it was written: no sign, no fraction
  std::string_view bytes;     // of kBytes
};

// Takes the fields off a message one by one; ok() is false once the bytes are no message. Groups,
// which proto3 hasn't got, are none.
class ProtobufReader {
 public:
  explicit ProtobufReader(std::string_view message) : rest_(message) {}

  bool next(ProtobufField& field) {
    if (rest_.empty() || !ok_) return false;
    const std::uint64_t key = varint();
    if (key >> 3 == 0 || key > std::numeric_limits<std::uint32_t>::max()) ok_ = false;
    field = {static_cast<std::uint32_t>(key >> 3), static_cast<WireType>(key & 7), 0, {}};
    switch (field.type) {
      case WireType::kVarint:
        field.integer = varint();
        break;
      case WireType::kFixed64:
        field.integer = fixed(8);
        break;
      case WireType::kBytes:
        field.bytes = take(varint());
        break;
      case WireType::kFixed32:
        field.integer = fixed(4);
        break;
      default:
        ok_ = false;
    }
    return ok_;
  }
  bool ok() const { return ok_; }

  // What packed repeated fields hold, one after the other; rest() empty: that was all of it.
  std::uint64_t varint() {
    if (rest_.empty() || static_cast<unsigned char>(rest_[0]) >= 128) return long_varint();
    const auto value = static_cast<unsigned char>(rest_[0]);  // as most are
    rest_.remove_prefix(1);
    return value;
  }
  std::uint64_t fixed(std::size_t bytes) {  // 4 or 8
    const auto taken = take(bytes);
    if (taken.empty()) return 0;
    return bytes == 8 ? load_le<std::uint64_t>(taken.data()) : load_le<std::uint32_t>(taken.data());
  }
  std::string_view rest() const { return rest_; }

 private:
  std::uint64_t long_varint();
  std::string_view take(std::uint64_t size) {
    if (size > rest_.size()) {
      ok_ = false;
      return {};
    }
    const auto taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  std::string_view rest_;
  bool ok_ = true;
};

void append_integer(std::string& to, std::uint32_t number, std::uint64_t value);
void append_fixed32(std::string& to, std::uint32_t number, std::uint32_t value);
void append_fixed64(std::string& to, std::uint32_t number, std::uint64_t value);
void append_bytes(std::string& to, std::uint32_t number, std::string_view bytes);

// A message in a message, written in place: its fields are appended between begin_message(), whose
// answer end_message() gets, and that. Of at most 2^32 bytes.
std::size_t begin_message(std::string& to, std::uint32_t number);
void end_message(std::string& to, std::size_t begun);

}  // namespace spillway::wire
