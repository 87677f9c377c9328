// Texts that come and go together, in a few blocks of memory instead of one for each of them.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

namespace spillway::broker {

// What it holds stays where it is until it is destroyed, wherever it is moved. One thread.
class TextBlocks {
 public:
  static constexpr std::size_t kBlockBytesMax = std::size_t{64} << 10;  // but of a longer text

  TextBlocks() = default;
  TextBlocks(TextBlocks&&) = default;
  TextBlocks& operator=(TextBlocks&&) = default;

  // Memory that adding a text of `size` bytes would take beside what is taken.
  std::size_t more_for(std::size_t size) const;
  std::string_view add(std::string_view text);

 private:
  std::vector<std::unique_ptr<char[]>> blocks_;
  std::size_t bytes_ = 0;  // of all blocks
  char* free_ = nullptr;   // in the last block
  std::size_t free_bytes_ = 0;
};

}  // namespace spillway::broker
