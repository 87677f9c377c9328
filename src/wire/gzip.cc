#include "wire/gzip.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <limits>

#include "base/assert.h"
#include "base/bytes.h"

namespace spillway::wire {

namespace {

constexpr std::size_t kFrame = 18;  // the shortest header, and the trailer
constexpr std::size_t kStatedSize = 4;
// DEFLATE gives at most 258 bytes for two bits.
constexpr std::size_t kMostPerByte = 1032;
constexpr int kGzipOnly = 16 + MAX_WBITS;

Error corrupt(std::string_view why) {
  return {ErrorCode::kCorrupt, fmt::format("The gzip body {}", why)};
}

}  // namespace

struct GzipReader::Inflation {
  explicit Inflation(std::string_view body) {
    SPILLWAY_ASSERT(body.size() <= std::numeric_limits<uInt>::max());
    // zlib only reads it; its type has no const.
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
    stream.avail_in = static_cast<uInt>(body.size());
    SPILLWAY_ASSERT(inflateInit2(&stream, kGzipOnly) == Z_OK);
  }
  ~Inflation() { inflateEnd(&stream); }
  Inflation(const Inflation&) = delete;
  Inflation& operator=(const Inflation&) = delete;

  z_stream stream{};
};

Result<std::unique_ptr<GzipReader>> GzipReader::make(std::string_view body) {
  if (body.size() < kFrame) return corrupt("is too short");
  auto reader = std::unique_ptr<GzipReader>(new GzipReader(body));
  if (reader->stated_size_ / kMostPerByte > body.size())
    return corrupt("states a size that it can't have");
  return reader;
}

GzipReader::GzipReader(std::string_view body)
    : stated_size_(load_le<std::uint32_t>(body.data() + body.size() - kStatedSize)),
      inflation_(std::make_unique<Inflation>(body)) {}

GzipReader::~GzipReader() = default;

Result<bool> GzipReader::read(std::string& to, std::size_t most) {
  // One byte more than is stated: were it taken, there would be too many.
  const std::size_t room = std::min(most, stated_size_ - given_ + 1);
  const std::size_t before = to.size();
  to.resize(before + room);
  z_stream& stream = inflation_->stream;
  stream.next_out = reinterpret_cast<Bytef*>(to.data() + before);
  stream.avail_out = static_cast<uInt>(room);
  const int result = inflate(&stream, Z_NO_FLUSH);
  SPILLWAY_ASSERT(result != Z_MEM_ERROR && result != Z_STREAM_ERROR);
  const std::size_t given = room - stream.avail_out;
  to.resize(before + given);
  given_ += given;
  if (given_ > stated_size_) return corrupt("is larger than it states");
  switch (result) {
    case Z_STREAM_END:
      if (stream.avail_in > 0) return corrupt("goes on behind its end");
      return true;
    case Z_OK:
      return false;
    case Z_BUF_ERROR:
      return corrupt("is cut short");
    default:
      return corrupt(fmt::format("is broken: {}", stream.msg == nullptr ? "" : stream.msg));
  }
}

}  // namespace spillway::wire
