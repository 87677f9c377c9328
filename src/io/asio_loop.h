#pragma once

#include <functional>
#include <memory>

#include "io/event_loop.h"

namespace spillway::io {

// An EventLoop on Boost.Asio (epoll). Made anywhere, run by one thread.
class AsioLoop final : public EventLoop {
 public:
  AsioLoop();
  ~AsioLoop() override;

  // Runs on the calling thread until stop(), which any thread may call, and signal handlers too.
  void run();
  void stop();
  // Calls `handler` on the loop at SIGINT, SIGTERM or SIGHUP, with the signal's number. One loop of
  // the process may do so.
  void on_signal(std::function<void(int)> handler);

  void post(UniqueFunction<void()> task) override;
  std::unique_ptr<Timer> make_timer() override;
  MonoTime mono_now() override;
  WallTime wall_now() override;
  Result<std::unique_ptr<Listener>> listen(
      const std::string& address, bool shared,
      UniqueFunction<void(std::unique_ptr<ByteStream>)> accepted) override;
  void connect(const std::string& address,
               UniqueFunction<void(Result<std::unique_ptr<ByteStream>>)> done) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace spillway::io
