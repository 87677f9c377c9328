// One thread's asynchronous world: tasks, timers, byte streams. Servers run one per core. The real
// one is AsioLoop (Boost.Asio, behind asio_loop.cc); the simulation has its own on simulated time.
//
// Everything here is called on the loop's own thread, except post(). Callbacks run on that thread,
// never from within the call that was given them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "base/unique_function.h"

namespace spillway::io {

// An ordered, reliable stream of bytes in both directions: TCP, or TLS over it.
class ByteStream {
 public:
  // Closes at once; callbacks that have not run yet are never called.
  virtual ~ByteStream() = default;

  // At most one read and one write at a time. The buffers stay the caller's, and must stay alive
  // until the callback. A read answers 1 … size bytes, or 0 at the peer's end of stream.
  virtual void read(std::span<char> into, UniqueFunction<void(Result<std::size_t>)> done) = 0;
  // Writes all parts (at most 64), or fails.
  virtual void write(std::span<const std::string_view> parts,
                     UniqueFunction<void(Status)> done) = 0;
  // Sends the end of our stream; reading goes on.
  virtual void shut_down_write() = 0;
  virtual std::string peer_address() const = 0;  // "127.0.0.1:51000"
};

class Listener {
 public:
  virtual ~Listener() = default;  // stops listening
  virtual std::uint16_t port() const = 0;
};

// Cancelled when destroyed.
class Timer {
 public:
  virtual ~Timer() = default;
  // Calls `done` once after `delay`; replaces what was set before.
  virtual void start(nanoseconds delay, UniqueFunction<void()> done) = 0;
  virtual void cancel() = 0;
};

class EventLoop {
 public:
  virtual ~EventLoop() = default;

  // From any thread: runs `task` on the loop's thread, in the order posted.
  virtual void post(UniqueFunction<void()> task) = 0;

  virtual std::unique_ptr<Timer> make_timer() = 0;
  virtual MonoTime mono_now() = 0;
  virtual WallTime wall_now() = 0;

  // `address` is "host:port"; port 0 picks a free one. Several loops may listen on one port: the
  // system spreads connections over them (SO_REUSEPORT, set when `shared`). kBusy: in use.
  virtual Result<std::unique_ptr<Listener>> listen(
      const std::string& address, bool shared,
      UniqueFunction<void(std::unique_ptr<ByteStream>)> accepted) = 0;
  virtual void connect(const std::string& address,
                       UniqueFunction<void(Result<std::unique_ptr<ByteStream>>)> done) = 0;
};

}  // namespace spillway::io
