// Writes one document of the API - a reply, an event - as JSON or as CBOR, by the same calls.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/shared_bytes.h"
#include "base/time.h"

namespace spillway::wire {

// How a request and its answer are written.
enum class Format : std::uint8_t {
  kJson,     // application/x-amz-json-1.1: blobs in base64, times in seconds with a fraction
  kCbor,     // application/x-amz-cbor-1.1: times are tag 1 with integer milliseconds, as AWS's SDKs
             // for Java have it, and not as RFC 8949 does
  kRpcCbor,  // Smithy's rpc-v2-cbor: times are tag 1 with seconds
};

// The caller opens, fills and closes maps and lists in order (asserted only as far as the end
// goes); every value of a map comes behind its key. Grows as needed; `reserve` bytes spare that.
class DocumentWriter {
 public:
  explicit DocumentWriter(Format format, std::size_t reserve = 256);

  DocumentWriter& open_map();
  DocumentWriter& close_map();
  DocumentWriter& open_list();
  DocumentWriter& close_list();
  DocumentWriter& key(std::string_view name);  // plain ASCII: not escaped

  DocumentWriter& text(std::string_view utf8);
  // Text that is known to need no escaping; `size` bytes, which the caller writes before the next
  // call.
  char* plain_text(std::size_t size);
  DocumentWriter& number(std::int64_t value);
  DocumentWriter& boolean(bool value);
  DocumentWriter& time(WallTime value);  // to the millisecond
  DocumentWriter& blob(std::string_view bytes);

  // A key and its value.
  DocumentWriter& text(std::string_view name, std::string_view utf8) {
    return key(name).text(utf8);
  }
  DocumentWriter& number(std::string_view name, std::int64_t value) {
    return key(name).number(value);
  }
  DocumentWriter& boolean(std::string_view name, bool value) { return key(name).boolean(value); }
  DocumentWriter& time(std::string_view name, WallTime value) { return key(name).time(value); }

  Format format() const { return format_; }
  // The document; every map and list is closed.
  SharedBytes finish() &&;

 private:
  char* room(std::size_t size);
  void add(std::string_view bytes);
  void add_byte(unsigned char byte);
  void separate();  // JSON: the comma before a value or a key, where one is due
  void open(char json, unsigned char cbor);
  void close(char json);
  void cbor_head(unsigned major, std::uint64_t argument);  // RFC 8949 section 3

  const Format format_;
  SharedBytes bytes_;
  std::size_t used_ = 0;
  std::size_t depth_ = 0;
  bool comma_due_ = false;
};

}  // namespace spillway::wire
