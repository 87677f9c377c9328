#include "client/dial.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/assert.h"

namespace spillway::client {

// EventLoop::connect() can't be called off, so its callback shares this, and finds `done` empty
// when nobody waits for it any more.
struct Dial::State {
  State(io::EventLoop& its_loop, const Endpoint& its_endpoint,
        std::shared_ptr<io::TlsContext> trust, bool its_http2, DialDone its_done)
      : loop(its_loop),
        endpoint(its_endpoint),
        tls(std::move(trust)),
        http2(its_http2),
        done(std::move(its_done)),
        timer(loop.make_timer()) {}

  io::EventLoop& loop;
  const Endpoint endpoint;
  const std::shared_ptr<io::TlsContext> tls;
  const bool http2;
  DialDone done;
  std::unique_ptr<io::Timer> timer;
  std::unique_ptr<io::TlsHandshake> handshake;

  void on_connected(Result<std::unique_ptr<io::ByteStream>> stream) {
    if (!done) return;
    if (!stream.ok() || !endpoint.secure) return finish(std::move(stream));
    handshake = io::connect_tls(
        tls, loop, *std::move(stream), endpoint.host, http2 ? "h2" : "http/1.1",
        [this](Result<std::unique_ptr<io::ByteStream>> secured) {
          if (!secured.ok())
            secured = context("connect to " + endpoint.address, std::move(secured).error());
          finish(std::move(secured));
        });
  }

  void finish(Result<std::unique_ptr<io::ByteStream>> stream) {
    timer = nullptr;
    std::exchange(done, nullptr)(std::move(stream));
  }
};

Dial::Dial(io::EventLoop& loop, const Endpoint& endpoint, std::shared_ptr<io::TlsContext> tls,
           bool http2, nanoseconds timeout, DialDone done)
    : state_(std::make_shared<State>(loop, endpoint, std::move(tls), http2, std::move(done))) {
  SPILLWAY_ASSERT(!endpoint.secure || state_->tls != nullptr);
  state_->timer->start(timeout, [state = state_.get(), timeout] {
    const auto after = std::chrono::duration<double>(timeout).count();
    state->finish(Error{ErrorCode::kIo, fmt::format("connect to {}: no answer in {:g} s",
                                                    state->endpoint.address, after)});
  });
  loop.connect(endpoint.address, [state = state_](Result<std::unique_ptr<io::ByteStream>> stream) {
    state->on_connected(std::move(stream));
  });
}

Dial::~Dial() {
  state_->done = nullptr;
  state_->timer = nullptr;
  state_->handshake = nullptr;
}

}  // namespace spillway::client
