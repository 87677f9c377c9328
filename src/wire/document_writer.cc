#include "wire/document_writer.h"

#include <bit>
#include <cstring>

#include "base/assert.h"
#include "base/base64.h"
#include "wire/shapes.h"

namespace spillway::wire {

namespace {

// RFC 8949 section 3.1.
constexpr unsigned kUnsigned = 0;
constexpr unsigned kNegative = 1;
constexpr unsigned kBytes = 2;
constexpr unsigned kText = 3;
constexpr unsigned kTag = 6;
constexpr unsigned char kOpenList = 0x9f;  // of indefinite length, as AWS writes them
constexpr unsigned char kOpenMap = 0xbf;
constexpr unsigned char kBreak = 0xff;
constexpr unsigned char kFalse = 0xf4;
constexpr unsigned char kTrue = 0xf5;
constexpr unsigned char kDouble = 0xfb;
constexpr std::uint64_t kEpochTag = 1;

bool plain(std::string_view text) {
  for (const char c : text)
    if (c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20) return false;
  return true;
}

}  // namespace

DocumentWriter::DocumentWriter(Format format, std::size_t reserve)
    : format_(format), bytes_(SharedBytes::uninitialized(0, std::max<std::size_t>(reserve, 64))) {}

char* DocumentWriter::room(std::size_t size) {
  if (bytes_.capacity() - used_ < size) {
    auto larger = SharedBytes::uninitialized(0, std::max(bytes_.capacity() * 2, used_ + size));
    std::memcpy(larger.mutable_data(), bytes_.mutable_data(), used_);
    bytes_ = std::move(larger);
  }
  char* at = bytes_.mutable_data() + used_;
  used_ += size;
  return at;
}

void DocumentWriter::add(std::string_view bytes) {
  if (!bytes.empty()) std::memcpy(room(bytes.size()), bytes.data(), bytes.size());
}

void DocumentWriter::add_byte(unsigned char byte) { *room(1) = static_cast<char>(byte); }

void DocumentWriter::separate() {
  if (comma_due_) *room(1) = ',';
  comma_due_ = true;
}

void DocumentWriter::cbor_head(unsigned major, std::uint64_t argument) {
  const auto type = static_cast<unsigned char>(major << 5);
  if (argument < 24) return add_byte(static_cast<unsigned char>(type | argument));
  const int size_log2 = argument <= 0xff         ? 0
                        : argument <= 0xffff     ? 1
                        : argument <= 0xffffffff ? 2
                                                 : 3;
  add_byte(static_cast<unsigned char>(type | (24 + size_log2)));
  for (int shift = (8 << size_log2) - 8; shift >= 0; shift -= 8)
    add_byte(static_cast<unsigned char>(argument >> shift));
}

void DocumentWriter::open(char json, unsigned char cbor) {
  ++depth_;
  if (format_ != Format::kJson) return add_byte(cbor);
  separate();
  *room(1) = json;
  comma_due_ = false;
}

void DocumentWriter::close(char json) {
  SPILLWAY_ASSERT(depth_ > 0);
  --depth_;
  if (format_ != Format::kJson) return add_byte(kBreak);
  *room(1) = json;
  comma_due_ = true;
}

DocumentWriter& DocumentWriter::open_map() {
  open('{', kOpenMap);
  return *this;
}
DocumentWriter& DocumentWriter::close_map() {
  close('}');
  return *this;
}
DocumentWriter& DocumentWriter::open_list() {
  open('[', kOpenList);
  return *this;
}
DocumentWriter& DocumentWriter::close_list() {
  close(']');
  return *this;
}

DocumentWriter& DocumentWriter::key(std::string_view name) {
  std::memcpy(plain_text(name.size()), name.data(), name.size());
  if (format_ == Format::kJson) {
    *room(1) = ':';
    comma_due_ = false;
  }
  return *this;
}

char* DocumentWriter::plain_text(std::size_t size) {
  if (format_ != Format::kJson) {
    cbor_head(kText, size);
    return room(size);
  }
  separate();
  char* at = room(size + 2);
  at[0] = '"';
  at[size + 1] = '"';
  return at + 1;
}

DocumentWriter& DocumentWriter::text(std::string_view utf8) {
  if (format_ != Format::kJson || plain(utf8)) {
    char* at = plain_text(utf8.size());
    if (!utf8.empty()) std::memcpy(at, utf8.data(), utf8.size());
    return *this;
  }
  separate();
  std::string escaped;
  append_json_string(escaped, utf8);
  add(escaped);
  return *this;
}

DocumentWriter& DocumentWriter::number(std::int64_t value) {
  if (format_ != Format::kJson) {
    if (value >= 0) {
      cbor_head(kUnsigned, static_cast<std::uint64_t>(value));
    } else {
      cbor_head(kNegative, static_cast<std::uint64_t>(-(value + 1)));
    }
    return *this;
  }
  separate();
  add(fmt::format_int(value).c_str());
  return *this;
}

DocumentWriter& DocumentWriter::boolean(bool value) {
  if (format_ != Format::kJson) {
    add_byte(value ? kTrue : kFalse);
    return *this;
  }
  separate();
  add(value ? "true" : "false");
  return *this;
}

DocumentWriter& DocumentWriter::time(WallTime value) {
  const std::int64_t ms = to_millis(value);
  switch (format_) {
    case Format::kJson:
      separate();
      add(fmt::format("{}.{:03}", ms / 1000, ms % 1000));
      break;
    case Format::kCbor:
      cbor_head(kTag, kEpochTag);
      number(ms);
      break;
    case Format::kRpcCbor: {
      cbor_head(kTag, kEpochTag);
      add_byte(kDouble);
      const auto bits = std::bit_cast<std::uint64_t>(static_cast<double>(ms) / 1000);
      for (int shift = 56; shift >= 0; shift -= 8)
        add_byte(static_cast<unsigned char>(bits >> shift));
      break;
    }
  }
  return *this;
}

DocumentWriter& DocumentWriter::blob(std::string_view bytes) {
  if (format_ == Format::kJson) {
    base64_encode(bytes, plain_text(base64_encoded_size(bytes.size())));
    return *this;
  }
  cbor_head(kBytes, bytes.size());
  add(bytes);
  return *this;
}

SharedBytes DocumentWriter::finish() && {
  SPILLWAY_ASSERT(depth_ == 0);
  bytes_.resize(used_);
  return std::move(bytes_);
}

}  // namespace spillway::wire
