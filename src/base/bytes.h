// Byte views and little-endian integers. Bytes travel as std::string_view, as in LevelDB's Slice.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace spillway {

static_assert(std::endian::native == std::endian::little, "stored formats are read in place");

// Every stored integer is little-endian. T: an unsigned or signed integer of 1, 2, 4 or 8 bytes.
template <typename T>
T load_le(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <typename T>
void store_le(char* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

template <typename T>
void append_le(std::string& to, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  to.append(bytes, sizeof value);
}

// Takes integers and byte strings off the front of stored bytes. After a read past the end, ok() is
// false and every later read gives zeros: check once, at the end.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  template <typename T>
  T integer() {
    T value{};
    if (const auto bytes = take(sizeof value); bytes.size() == sizeof value)
      std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  std::string_view take(std::size_t size) {
    if (size > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const auto bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }
  // A byte string behind its 32-bit length.
  std::string_view prefixed() { return take(integer<std::uint32_t>()); }

  bool ok() const { return ok_; }
  std::string_view rest() const { return rest_; }
  bool at_end() const { return ok_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

inline void append_prefixed(std::string& to, std::string_view bytes) {
  append_le(to, static_cast<std::uint32_t>(bytes.size()));
  to.append(bytes);
}

}  // namespace spillway
