// Protocol Buffers on the wire, as far as messages are read field by field and written the same
// way: whoever reads knows what the numbers mean.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

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

  bool next(ProtobufField& field);
  bool ok() const { return ok_; }

  // What packed repeated fields hold, one after the other; rest() empty: that was all of it.
  std::uint64_t varint();
  std::uint64_t fixed(std::size_t bytes);  // 4 or 8
  std::string_view rest() const { return rest_; }

 private:
  std::string_view take(std::uint64_t size);

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
