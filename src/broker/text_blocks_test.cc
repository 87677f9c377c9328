#include "broker/text_blocks.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace spillway::broker {
namespace {

TEST(TextBlocks, WhatIsInThemStays) {
  TextBlocks blocks;
  std::vector<std::pair<std::string, std::string_view>> all;
  for (std::size_t i = 0; i < 2'000; ++i) {
    std::string text(i % 97 * (i % 5), static_cast<char>('a' + i % 26));
    const auto view = blocks.add(text);
    all.emplace_back(std::move(text), view);
  }
  const TextBlocks moved = std::move(blocks);
  for (const auto& [text, view] : all) ASSERT_EQ(view, text);
}

TEST(TextBlocks, TakeTheMemoryThatTheySay) {
  TextBlocks blocks;
  EXPECT_EQ(blocks.more_for(0), 0u);
  EXPECT_EQ(blocks.more_for(1), 4096u) << "of a small request, little";
  blocks.add(std::string(4000, 'x'));
  EXPECT_EQ(blocks.more_for(96), 0u);
  EXPECT_EQ(blocks.more_for(97), 4096u);
  blocks.add(std::string(97, 'x'));
  blocks.add(std::string(4096 - 97, 'x'));
  EXPECT_EQ(blocks.more_for(1), 8192u) << "as much again";
  const std::size_t long_text = TextBlocks::kBlockBytesMax + 1;
  EXPECT_EQ(blocks.more_for(long_text), long_text);
  blocks.add(std::string(long_text, 'x'));
  EXPECT_EQ(blocks.more_for(1), TextBlocks::kBlockBytesMax);
}

}  // namespace
}  // namespace spillway::broker
