// A connection to an endpoint that is being made: TCP, and TLS over it where the endpoint is https.
#pragma once

#include <memory>

#include "base/result.h"
#include "base/time.h"
#include "base/unique_function.h"
#include "client/endpoint.h"
#include "io/event_loop.h"
#include "io/tls.h"

namespace spillway::client {

using DialDone = UniqueFunction<void(Result<std::unique_ptr<io::ByteStream>>)>;

// On the loop's thread. Destroyed: called off.
class Dial {
 public:
  // `tls` says whom to trust, where the endpoint is secure. `done` is never called from within, and
  // may destroy the dial. kIo: nobody answers, or not within `timeout`; else as io::connect_tls().
  Dial(io::EventLoop& loop, const Endpoint& endpoint, std::shared_ptr<io::TlsContext> tls,
       bool http2, nanoseconds timeout, DialDone done);
  ~Dial();
  Dial(const Dial&) = delete;
  Dial& operator=(const Dial&) = delete;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace spillway::client
