#include "broker/text_blocks.h"

#include <algorithm>
#include <cstring>

namespace spillway::broker {
namespace {

constexpr std::size_t kFirstBlockBytes = std::size_t{4} << 10;

}  // namespace

// As much again as there is: a request of one record shouldn't take what one of hundreds does.
std::size_t TextBlocks::more_for(std::size_t size) const {
  if (size <= free_bytes_) return 0;
  return std::max(size, std::clamp(bytes_, kFirstBlockBytes, kBlockBytesMax));
}

std::string_view TextBlocks::add(std::string_view text) {
  if (text.empty()) return {};
  if (const std::size_t more = more_for(text.size()); more > 0) {
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(more));
    bytes_ += more;
    free_ = blocks_.back().get();
    free_bytes_ = more;
  }
  char* const at = free_;
  std::memcpy(at, text.data(), text.size());
  free_ += text.size();
  free_bytes_ -= text.size();
  return {at, text.size()};
}

}  // namespace spillway::broker
