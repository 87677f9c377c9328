#include "wire/output_queue.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/assert.h"

namespace spillway::wire {

void OutputQueue::append(std::string_view bytes) {
  size_ += bytes.size();
  while (!bytes.empty()) {
    if (first_ == parts_.size() || !parts_.back().block ||
        parts_.back().end == parts_.back().bytes.capacity()) {
      const std::size_t capacity = std::max(kBlockBytes, bytes.size());
      parts_.push_back({SharedBytes::uninitialized(capacity), 0, 0, true});
    }
    auto& block = parts_.back();
    const std::size_t size = std::min(bytes.size(), block.bytes.capacity() - block.end);
    std::memcpy(block.bytes.mutable_data() + block.end, bytes.data(), size);
    block.end += size;
    bytes.remove_prefix(size);
  }
}

void OutputQueue::append(const SharedBytes& bytes, std::size_t offset, std::size_t size) {
  SPILLWAY_ASSERT(offset + size <= bytes.size());
  if (size < kShareFrom) return append(bytes.view().substr(offset, size));
  parts_.push_back({bytes, offset, offset + size, false});
  size_ += size;
}

std::vector<std::string_view> OutputQueue::views() const {
  std::vector<std::string_view> views;
  const std::size_t count = std::min(parts_.size() - first_, kMaxViews);
  views.reserve(count);
  for (std::size_t i = first_; i < first_ + count; ++i) {
    const auto& part = parts_[i];
    if (part.end > part.begin)
      views.push_back(part.bytes.view().substr(part.begin, part.end - part.begin));
  }
  return views;
}

void OutputQueue::sent(std::size_t bytes) {
  SPILLWAY_ASSERT(bytes <= size_);
  size_ -= bytes;
  while (bytes > 0) {
    auto& part = parts_[first_];
    const std::size_t size = std::min(bytes, part.end - part.begin);
    part.begin += size;
    bytes -= size;
    if (part.begin < part.end) return;
    part.bytes = SharedBytes();
    ++first_;
  }
  if (first_ == parts_.size() || first_ >= kMaxViews) {
    parts_.erase(parts_.begin(), parts_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

}  // namespace spillway::wire
