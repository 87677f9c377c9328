// Bodies of requests to the broker's inputs over HTTP: packed by gzip or not.
#pragma once

#include <atomic>
#include <cstddef>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/task.h"
#include "io/event_loop.h"
#include "wire/http.h"

namespace spillway::server {

// Bytes that all requests of an input may hold beside what the server counts of them. Any thread.
class ByteBudget {
 public:
  explicit ByteBudget(std::size_t most) : most_(most) {}

  // What one request has of it, until it ends.
  class Share {
   public:
    explicit Share(ByteBudget& budget) : budget_(budget) {}
    ~Share() { budget_.taken_.fetch_sub(taken_, std::memory_order_relaxed); }
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    // False: there isn't so much left; the request should end.
    bool take(std::size_t bytes);

   private:
    ByteBudget& budget_;
    std::size_t taken_ = 0;
  };

 private:
  const std::size_t most_;
  std::atomic<std::size_t> taken_{0};
};

// By gzip; nullopt where the body is packed in another way.
std::optional<bool> is_packed(const wire::RequestHead& head);

// Unpacks `body`, with room for `padding` bytes behind it, in steps between which the loop's other
// requests come. kNoSpace: it is larger than a body may be, which is found before it is unpacked;
// kThrottled: the budget is used up; kInvalid: it is no gzip. What it is handed outlives it.
Task<Status> inflate(io::EventLoop* loop, std::string* body, ByteBudget::Share* share,
                     std::size_t padding);

}  // namespace spillway::server
