#include "wire/gzip.h"

#include <zlib.h>

#include "base/bytes.h"

namespace spillway::wire {
namespace {

using testing::HasSubstr;

std::string gzip(std::string_view text) {
  std::string packed(text.size() + 1000, '\0');
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(packed.size() - stream.avail_out);
  deflateEnd(&stream);
  return packed;
}

// What the body holds, read in steps; or why it is refused. `made` is what was inflated, in all.
std::string unpacked(std::string_view body, std::size_t step, std::size_t* made = nullptr) {
  const auto reader = GzipReader::make(body);
  if (!reader.ok()) return "refused: " + reader.error().message;
  std::string text;
  for (;;) {
    const auto whole = (*reader)->read(text, step);
    if (made != nullptr) *made = text.size();
    if (!whole.ok()) return "refused: " + whole.error().message;
    if (*whole) return text;
  }
}

std::string numbers(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += std::to_string(i * 7919);
  return text;
}

TEST(Gzip, ReadsTheSameHoweverItIsStepped) {
  for (const std::string& text : {std::string(), std::string("x"), numbers(20'000)}) {
    const std::string body = gzip(text);
    EXPECT_EQ(GzipReader::make(body).value()->stated_size(), text.size());
    for (const std::size_t step : {1, 7, 1000, 1 << 20})
      EXPECT_EQ(unpacked(body, step), text) << text.size() << " in steps of " << step;
  }
}

TEST(Gzip, WhatIsCutShortOrChangedIsRefused) {
  const std::string body = gzip(numbers(100));
  for (std::size_t size = 0; size < body.size(); ++size)
    EXPECT_THAT(unpacked(body.substr(0, size), 100), HasSubstr("refused")) << size;
  for (std::size_t at = 0; at < body.size(); ++at) {
    if (at >= 4 && at < 10) continue;  // its time, flags that say how it was made, and its system
    std::string changed = body;
    changed[at] = static_cast<char>(changed[at] ^ 0x20);
    EXPECT_THAT(unpacked(changed, 100), HasSubstr("refused")) << at;
  }
}

TEST(Gzip, OneMemberAndNothingBehindIt) {
  const std::string body = gzip("text");
  EXPECT_EQ(unpacked(body + body, 100), "refused: The gzip body goes on behind its end");
  // The last four bytes are no size any more.
  EXPECT_THAT(unpacked(body + "more", 100), HasSubstr("refused"));
  EXPECT_THAT(unpacked("text that nobody packed", 100), HasSubstr("refused"));
}

// A body costs no more than it states.
TEST(Gzip, ABombIsKnownByWhatItStates) {
  const std::string bomb = gzip(std::string(std::size_t{64} << 20, '\0'));
  EXPECT_LT(bomb.size(), 70'000u);
  EXPECT_EQ(GzipReader::make(bomb).value()->stated_size(), std::size_t{64} << 20);

  std::string lie = bomb;
  store_le<std::uint32_t>(lie.data() + lie.size() - 4, 1000);
  std::size_t made = 0;
  EXPECT_EQ(unpacked(lie, 1 << 20, &made), "refused: The gzip body is larger than it states");
  EXPECT_EQ(made, 1001u);

  std::string boast = gzip("small");
  store_le<std::uint32_t>(boast.data() + boast.size() - 4, 1 << 24);
  EXPECT_EQ(unpacked(boast, 100), "refused: The gzip body states a size that it can't have");
}

}  // namespace
}  // namespace spillway::wire
