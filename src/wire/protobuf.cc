#include "wire/protobuf.h"

#include "base/varint.h"

namespace spillway::wire {
namespace {

// The bytes of a length that is filled in later: a varint longer than it has to be, which every
// reader takes.
constexpr std::size_t kLengthSize = 5;

void append_key(std::string& to, std::uint32_t number, WireType type) {
  append_varint(to, std::uint64_t{number} << 3 | static_cast<std::uint64_t>(type));
}

void append_fixed(std::string& to, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) to += static_cast<char>(value >> 8 * i & 255U);
}

}  // namespace

std::uint64_t ProtobufReader::long_varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const auto byte = take(1);
    if (byte.empty()) return 0;
    const auto bits = static_cast<unsigned char>(byte[0]);
    value |= std::uint64_t{bits & 127U} << shift;
    if (bits < 128) return value;
  }
  ok_ = false;
  return 0;
}

void append_integer(std::string& to, std::uint32_t number, std::uint64_t value) {
  append_key(to, number, WireType::kVarint);
  append_varint(to, value);
}

void append_fixed32(std::string& to, std::uint32_t number, std::uint32_t value) {
  append_key(to, number, WireType::kFixed32);
  append_fixed(to, value, 4);
}

void append_fixed64(std::string& to, std::uint32_t number, std::uint64_t value) {
  append_key(to, number, WireType::kFixed64);
  append_fixed(to, value, 8);
}

void append_bytes(std::string& to, std::uint32_t number, std::string_view bytes) {
  append_key(to, number, WireType::kBytes);
  append_varint(to, bytes.size());
  to += bytes;
}

std::size_t begin_message(std::string& to, std::uint32_t number) {
  append_key(to, number, WireType::kBytes);
  to.append(kLengthSize, '\0');
  return to.size();
}

void end_message(std::string& to, std::size_t begun) {
  const std::size_t size = to.size() - begun;
  for (std::size_t i = 0; i < kLengthSize; ++i) {
    const auto more = i + 1 < kLengthSize ? 128U : 0U;
    to[begun - kLengthSize + i] = static_cast<char>((size >> 7 * i & 127U) | more);
  }
}

}  // namespace spillway::wire
