// Puts the records of an input that has no acknowledgement into the spool, and tries again, every
// kRetryDelay, what the spool doesn't take: whoever sent them won't. Their sender is held back
// meanwhile, or what it sends is dropped: that is its caller's to do.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "broker/input_metrics.h"
#include "broker/spool.h"
#include "io/event_loop.h"

namespace spillway::broker {

struct InputRecord {
  std::string key;
  std::string data;
};

// On the loop's thread; owned by a shared_ptr. What it is handed outlives it and the loop's tasks.
class SpoolWriter : public std::enable_shared_from_this<SpoolWriter> {
 public:
  static constexpr nanoseconds kRetryDelay = seconds(1);

  SpoolWriter(io::EventLoop& loop, Spool& spool, std::string stream, InputMetrics& counts);

  // Calls `done`, never from within, when all are durable. Records of one key stay in order. One
  // call at a time; together they fit the spool's queue.
  void put(std::vector<InputRecord> records, UniqueFunction<void()> done);
  // What is put from now on goes there, to a stream that the spool was opened with.
  void set_stream(std::string stream) { stream_ = std::move(stream); }
  // Since a put began, and until its `done`.
  bool busy() const { return static_cast<bool>(done_); }
  // Gives up what isn't durable; `done` is not called.
  void close();

 private:
  void try_put();
  void settle(const Spool::Outcomes& outcomes);

  io::EventLoop& loop_;
  Spool& spool_;
  std::string stream_;
  std::string put_to_;  // of the put under way
  InputMetrics& counts_;
  std::unique_ptr<io::Timer> timer_;  // nullptr once closed
  std::vector<InputRecord> records_;
  UniqueFunction<void()> done_;
};

}  // namespace spillway::broker
