// TLS 1.2 and 1.3 over a ByteStream, by OpenSSL on memory: no sockets of its own, so that it runs
// over whatever carries bytes.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/event_loop.h"

namespace spillway::io {

// What many connections share. Thread-safe.
class TlsContext {
 public:
  // A server's: its certificate and its key, both in PEM; the certificate may be followed by those
  // that it was issued by. ALPN takes h2, then http/1.1. kInvalid says what is wrong with them.
  static Result<std::shared_ptr<TlsContext>> make(std::string_view certificate_chain,
                                                  std::string_view key);
  // A client's: whom it trusts, certificates in PEM; empty: whom this system trusts. kInvalid: no
  // certificate is there.
  static Result<std::shared_ptr<TlsContext>> make_client(std::string_view authorities);
  virtual ~TlsContext() = default;
};

// Takes over `transport`, of which `received` has been read already: the begin of a handshake. A
// handshake that fails is told to the peer, and then by the first read: kInvalid. The peer's end of
// stream is the end, whether it said so in TLS or not. On `loop`.
std::unique_ptr<ByteStream> accept_tls(std::shared_ptr<TlsContext> context, EventLoop& loop,
                                       std::unique_ptr<ByteStream> transport,
                                       std::string_view received);

// Destroyed: what it stands for is called off, and its callback never called.
class TlsHandshake {
 public:
  virtual ~TlsHandshake() = default;
};

// The client's side, over a connected `transport`: `done` is handed the stream when the handshake
// is over, the server's certificate is one of those that `context` trusts, made for `host` (a name
// or an address, without brackets), and the server took `protocol` ("h2" or "http/1.1"; one without
// ALPN is taken to speak the latter). kDenied: the certificate; kUnsupported: the protocol;
// kInvalid: no TLS; kIo: the transport's. On `loop`; `done` is never called from within, and may
// destroy the handshake.
std::unique_ptr<TlsHandshake> connect_tls(
    std::shared_ptr<TlsContext> context, EventLoop& loop, std::unique_ptr<ByteStream> transport,
    const std::string& host, std::string_view protocol,
    UniqueFunction<void(Result<std::unique_ptr<ByteStream>>)> done);

}  // namespace spillway::io
