#pragma once

#include <functional>
#include <memory>

#include "io/datagrams.h"
#include "io/event_loop.h"

namespace spillway::io {

// An EventLoop on Boost.Asio (epoll). Made anywhere, run by one thread. What it handed out
// (streams, listeners, timers) must be gone before it is. All streams have TCP_NODELAY on.
class AsioLoop final : public EventLoop {
 public:
  AsioLoop();
  ~AsioLoop() override;

  // Runs on the calling thread until stop(), which any thread may call, and signal handlers too. A
  // stop() before run() makes it return at once.
  void run();
  void stop();
  // Calls `handler` on the loop at SIGINT, SIGTERM or SIGHUP, with the signal's number. One loop of
  // the process may do so.
  void on_signal(std::function<void(int)> handler);

  void post(UniqueFunction<void()> task) override;
  std::unique_ptr<Timer> make_timer() override;
  MonoTime mono_now() override;
  WallTime wall_now() override;
  // kBusy: another program has the port; kDenied: a port below 1024 without the right to it;
  // kInvalid: not "host:port", or not an address of this machine.
  Result<std::unique_ptr<Listener>> listen(
      const std::string& address, bool shared,
      UniqueFunction<void(std::unique_ptr<ByteStream>)> accepted) override;
  // Calls `received` for each datagram that arrives; it may destroy the port. Errors as of
  // listen().
  Result<std::unique_ptr<DatagramPort>> receive_datagrams(const std::string& address,
                                                          DatagramReceiver received);
  // Tries each address of the host in turn; kIo names the last failure. Literal addresses and
  // `localhost` are taken as they are. Any other name is looked up by getaddrinfo(3) on the loop's
  // own thread, which blocks it for as long as DNS takes: Asio's own resolver would start a thread
  // per loop instead. Loops that serve requests should connect to literal addresses only.
  void connect(const std::string& address,
               UniqueFunction<void(Result<std::unique_ptr<ByteStream>>)> done) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace spillway::io
