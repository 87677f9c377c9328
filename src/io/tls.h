// The server's side of TLS 1.2 and 1.3 over a ByteStream, by OpenSSL on memory: no sockets of its
// own, so that it runs over whatever carries bytes.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/event_loop.h"

namespace spillway::io {

// A certificate and its key, and what is offered by ALPN: h2, then http/1.1. Thread-safe.
class TlsContext {
 public:
  // Both in PEM; the certificate may be followed by those that it was issued by. kInvalid says what
  // is wrong with them.
  static Result<std::shared_ptr<TlsContext>> make(std::string_view certificate_chain,
                                                  std::string_view key);
  virtual ~TlsContext() = default;
};

// Takes over `transport`, of which `received` has been read already: the begin of a handshake. A
// handshake that fails is told to the peer, and then by the first read: kInvalid. The peer's end of
// stream is the end, whether it said so in TLS or not. On `loop`.
std::unique_ptr<ByteStream> accept_tls(std::shared_ptr<TlsContext> context, EventLoop& loop,
                                       std::unique_ptr<ByteStream> transport,
                                       std::string_view received);

}  // namespace spillway::io
