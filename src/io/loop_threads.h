#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "io/asio_loop.h"

namespace spillway::io {

// Cores of this machine that the process may use, at least 1.
std::size_t core_count();

// A fixed number of AsioLoops, each run by a thread of its own (named "loop-0", "loop-1", …, with
// SIGINT, SIGTERM and SIGHUP blocked, so that they reach the thread that waits for them).
class LoopThreads {
 public:
  // Makes the loops; nothing runs yet, so that servers can be set up on them without races.
  explicit LoopThreads(std::size_t count);
  ~LoopThreads();  // stop_and_join()

  std::span<EventLoop* const> loops() const { return views_; }
  AsioLoop& first() const { return *loops_.front(); }
  void start();
  // Lets each loop end what it is in the middle of; tasks behind that never run, and are destroyed
  // with the loops. For any thread but the loops' own.
  void stop_and_join();

 private:
  std::vector<std::unique_ptr<AsioLoop>> loops_;
  std::vector<EventLoop*> views_;
  std::vector<std::thread> threads_;
};

}  // namespace spillway::io
