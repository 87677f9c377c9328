// Immutable bytes with shared ownership: a batch is filled once and then held by the journal queue,
// the tail and any response that is being written, without a copy.
#pragma once

#include <atomic>
#include <cstddef>
#include <string_view>
#include <utility>

namespace spillway {

// Copying shares (one atomic increment); any thread may hold, read and drop a copy.
class SharedBytes {
 public:
  SharedBytes() = default;
  static SharedBytes copy_of(std::string_view bytes);
  // `capacity` bytes, not initialised, of which the view shows `size`. Only the sole owner, before
  // the first share, may write through mutable_data() and call resize().
  static SharedBytes uninitialized(std::size_t size, std::size_t capacity = 0);

  SharedBytes(const SharedBytes& other) noexcept : block_(other.block_) {
    if (block_ != nullptr) block_->references.fetch_add(1, std::memory_order_relaxed);
  }
  SharedBytes(SharedBytes&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  SharedBytes& operator=(SharedBytes other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~SharedBytes() { release(); }

  std::string_view view() const {
    return block_ == nullptr ? std::string_view{} : std::string_view{data_of(block_), block_->size};
  }
  std::size_t size() const { return block_ == nullptr ? 0 : block_->size; }
  std::size_t capacity() const { return block_ == nullptr ? 0 : block_->capacity; }
  bool empty() const { return size() == 0; }

  char* mutable_data() { return block_ == nullptr ? nullptr : data_of(block_); }
  void resize(std::size_t size);  // at most capacity()

 private:
  struct Block {
    std::atomic<std::size_t> references;
    std::size_t size;
    std::size_t capacity;
  };
  static char* data_of(Block* block) { return reinterpret_cast<char*>(block + 1); }
  void release() noexcept;

  Block* block_ = nullptr;
};

}  // namespace spillway
