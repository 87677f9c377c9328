// Arbitrary bodies, inflated in steps: refused, or what their trailer states, and never more than
// that; the same whatever the steps are. And any bytes, packed by zlib and read back.
#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/assert.h"
#include "wire/gzip.h"

namespace {

using namespace spillway;

constexpr std::size_t kStatedMax = std::size_t{128}
                                   << 10;  // what a server refuses is its own affair

// nullopt where it is refused.
std::optional<std::string> unpacked(std::string_view body, std::size_t step) {
  const auto reader = wire::GzipReader::make(body);
  if (!reader.ok() || (*reader)->stated_size() > kStatedMax) return std::nullopt;
  const std::size_t stated = (*reader)->stated_size();
  std::string text;
  for (;;) {
    const std::size_t before = text.size();
    const auto whole = (*reader)->read(text, step);
    SPILLWAY_ASSERT(text.size() - before <= step && text.size() <= stated + 1);
    if (!whole.ok()) return std::nullopt;
    if (*whole) break;
  }
  SPILLWAY_ASSERT(text.size() == stated);
  return text;
}

std::string packed(std::string_view text, int level) {
  z_stream stream{};
  SPILLWAY_ASSERT(deflateInit2(&stream, level, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) ==
                  Z_OK);
  std::string body(deflateBound(&stream, static_cast<uLong>(text.size())), '\0');
  // zlib only reads it; its type has no const.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(body.data());
  stream.avail_out = static_cast<uInt>(body.size());
  SPILLWAY_ASSERT(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  body.resize(body.size() - stream.avail_out);
  deflateEnd(&stream);
  return body;
}

void check_round_trip(std::string_view text) {
  const auto level = static_cast<int>(text.size() % 10);
  const std::string body = packed(text, level);
  SPILLWAY_ASSERT(unpacked(body, 1 + text.size() % 100) == text);
  // A second member, or anything else behind it, is no part of a body.
  SPILLWAY_ASSERT(!unpacked(body + body, 4096));
  SPILLWAY_ASSERT(!unpacked(std::string_view(body).substr(0, body.size() - 1), 4096));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto whole = unpacked(input, kStatedMax + 1);
  SPILLWAY_ASSERT(unpacked(input, 1 + size % 1000) == whole);
  check_round_trip(input.substr(0, 4096));
  return 0;
}
