#include "base/shared_bytes.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "base/assert.h"

namespace spillway {

SharedBytes SharedBytes::copy_of(std::string_view bytes) {
  SharedBytes shared = uninitialized(bytes.size());
  if (!bytes.empty()) std::memcpy(shared.mutable_data(), bytes.data(), bytes.size());
  return shared;
}

SharedBytes SharedBytes::uninitialized(std::size_t size, std::size_t capacity) {
  capacity = std::max(size, capacity);
  void* memory = std::malloc(sizeof(Block) + capacity);
  if (memory == nullptr) throw std::bad_alloc();
  SharedBytes shared;
  shared.block_ = new (memory) Block{1, size, capacity};
  return shared;
}

void SharedBytes::resize(std::size_t size) {
  SPILLWAY_ASSERT(size <= capacity());
  if (block_ != nullptr) block_->size = size;
}

void SharedBytes::release() noexcept {
  if (block_ != nullptr && block_->references.fetch_sub(1, std::memory_order_acq_rel) == 1)
    std::free(block_);
}

}  // namespace spillway
