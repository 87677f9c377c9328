#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <vector>

#include "client/connection.h"
#include "client/dial.h"
#include "client/endpoint.h"

namespace spillway::client {

struct PoolOptions {
  Endpoint endpoint;
  std::shared_ptr<io::TlsContext> tls;  // whom to trust, where the endpoint is https
  bool http2 = false;
  std::uint32_t connections_max = 4;  // over HTTP/1.1; HTTP/2 uses one
  nanoseconds connect_timeout{};
  nanoseconds request_timeout{};
};

// Connections to one endpoint: made when a request finds none that is free, kept while the server
// keeps them. On the loop's thread.
class ConnectionPool {
 public:
  ConnectionPool(io::EventLoop& loop, PoolOptions options);
  ~ConnectionPool();  // close()
  ConnectionPool(const ConnectionPool&) = delete;
  ConnectionPool& operator=(const ConnectionPool&) = delete;

  // Sends `head` and `body` when a connection is free for it, in the order of these calls. `done`
  // is never called from within. Not after close().
  void request(wire::RequestHead head, SharedBytes body, AnswerDone done);

  // Ends all requests with kClosed, from within.
  void close();
  bool ever_connected() const { return ever_connected_; }

 private:
  struct Waiting {
    wire::RequestHead head;
    SharedBytes body;
    AnswerDone done;
  };
  using Dials = std::list<std::optional<Dial>>;

  void dispatch();
  void connect();
  void on_connected(Dials::iterator dial, Result<std::unique_ptr<io::ByteStream>> stream);

  io::EventLoop& loop_;
  const PoolOptions options_;
  std::vector<std::shared_ptr<Connection>> connections_;
  Dials dials_;
  std::deque<Waiting> waiting_;
  bool ever_connected_ = false;
  bool closed_ = false;
};

}  // namespace spillway::client
