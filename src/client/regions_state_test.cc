#include "client/regions_state.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/crc32c.h"

namespace spillway::client {
namespace {

RegionsState sample() {
  return {.stream = "telemetry",
          .begin = from_millis(1606312800123),
          .regions = {{"a", {{"shardId-000000000000", {"49", "50"}}, {"shardId-1", {"", "7"}}}},
                      {"b", {}}},
          .seen = std::string("what\0ever", 9)};
}

void sign(std::string& bytes) {
  store_le(bytes.data() + 8, crc32c(std::string_view(bytes).substr(12)));
}

TEST(RegionsState, IsReadAsItWasWritten) {
  for (const auto begin : {std::optional<WallTime>(), std::optional(from_millis(0))}) {
    auto state = sample();
    state.begin = begin;
    const auto read = decode_regions_state(encode(state));
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(read->stream, state.stream);
    EXPECT_EQ(read->begin, begin);
    EXPECT_EQ(read->regions, state.regions);
    EXPECT_EQ(read->seen, state.seen);
  }
}

// What version 1 has stored can be read by every later build.
TEST(RegionsState, Version1) {
  std::string bytes("SPWYREAD\0\0\0\0\1\0\0\0", 16);
  bytes += std::string("\1\0\0\0s\2\0\0\0\0\0\0\0\1\1\0\0\0a\1", 20);
  bytes += std::string(
      "\3\0\0\0s-0\2\0\0\0"
      "49\2\0\0\0"
      "50\1\0\0\0x",
      24);
  sign(bytes);
  const RegionsState state{.stream = "s",
                           .begin = from_millis(2),
                           .regions = {{"a", {{"s-0", {"49", "50"}}}}},
                           .seen = "x"};
  EXPECT_EQ(encode(state), bytes);
}

TEST(RegionsState, WhatIsDamagedOrNewerIsRefused) {
  const auto whole = encode(sample());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    auto cut = whole.substr(0, size);
    EXPECT_EQ(decode_regions_state(cut).error().code, ErrorCode::kCorrupt) << size;
    if (size < 16) continue;
    sign(cut);
    EXPECT_EQ(decode_regions_state(cut).error().code, ErrorCode::kCorrupt) << size;
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    auto changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_EQ(decode_regions_state(changed).error().code, ErrorCode::kCorrupt) << at;
  }
  auto longer = whole + "x";
  sign(longer);
  EXPECT_EQ(decode_regions_state(longer).error().code, ErrorCode::kCorrupt);
  auto newer = whole;
  store_le(newer.data() + 12, std::uint32_t{2});
  sign(newer);
  EXPECT_EQ(decode_regions_state(newer).error().code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace spillway::client
