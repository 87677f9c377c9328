#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "client/connection.h"
#include "client/endpoint.h"

namespace spillway::client {

struct PoolOptions {
  Endpoint endpoint;
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
  void request(wire::RequestHead head, std::string body, AnswerDone done);

  // Ends all requests with kClosed, from within.
  void close();
  bool ever_connected() const { return ever_connected_; }

 private:
  struct Waiting {
    wire::RequestHead head;
    std::string body;
    AnswerDone done;
  };
  struct Attempt;  // at a connection

  void dispatch();
  void connect();
  void on_connected(Attempt& attempt, Result<std::unique_ptr<io::ByteStream>> stream);

  io::EventLoop& loop_;
  const PoolOptions options_;
  std::vector<std::shared_ptr<Connection>> connections_;
  std::vector<std::shared_ptr<Attempt>> attempts_;
  std::deque<Waiting> waiting_;
  bool ever_connected_ = false;
  bool closed_ = false;
};

}  // namespace spillway::client
