// What a session has to send, in order: small pieces copied one after the other into blocks, large
// ones shared. Blocks never move or grow, so views stay valid until they are sent.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/shared_bytes.h"

namespace spillway::wire {

class OutputQueue {
 public:
  static constexpr std::size_t kMaxViews = 64;

  void append(std::string_view bytes);
  // size bytes of `bytes` from `offset`. Below kShareFrom they are copied: a part of writev(2)
  // costs about as much as copying that.
  void append(const SharedBytes& bytes, std::size_t offset, std::size_t size);
  void append(const SharedBytes& bytes) { append(bytes, 0, bytes.size()); }

  // The first kMaxViews pieces, none of them empty.
  std::vector<std::string_view> views() const;
  // Drops `bytes`, at most size(), from the front.
  void sent(std::size_t bytes);

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  static constexpr std::size_t kBlockBytes = 2048;
  static constexpr std::size_t kShareFrom = 1024;

  struct Part {
    SharedBytes bytes;
    std::size_t begin;
    std::size_t end;
    bool block;  // ours: more may be appended behind `end`
  };

  std::vector<Part> parts_;
  std::size_t first_ = 0;  // parts before it are sent
  std::size_t size_ = 0;
};

}  // namespace spillway::wire
