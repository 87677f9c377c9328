#include "io/loop_threads.h"

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>

#include "base/assert.h"

namespace spillway::io {

std::size_t core_count() { return std::max<std::size_t>(1, std::thread::hardware_concurrency()); }

LoopThreads::LoopThreads(std::size_t count) {
  SPILLWAY_ASSERT(count > 0);
  for (std::size_t i = 0; i < count; ++i) {
    loops_.push_back(std::make_unique<AsioLoop>());
    views_.push_back(loops_.back().get());
  }
}

LoopThreads::~LoopThreads() { stop_and_join(); }

void LoopThreads::start() {
  SPILLWAY_ASSERT(threads_.empty());
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&blocked, number);
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  for (std::size_t i = 0; i < loops_.size(); ++i) {
    threads_.emplace_back([loop = loops_[i].get()] { loop->run(); });
    pthread_setname_np(threads_.back().native_handle(), fmt::format("loop-{}", i).c_str());
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void LoopThreads::stop_and_join() {
  if (threads_.empty()) return;
  for (const auto& loop : loops_) loop->stop();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

}  // namespace spillway::io
