#include "client/connection.h"
#include "client/load_connection.h"

namespace spillway::client {

namespace {

constexpr auto kAnswerTimeout = seconds(60);

// One of the requests that a connection has under way at once.
class Http2LoadConnection final : public LoadConnection {
 public:
  Http2LoadConnection(io::EventLoop& loop, std::shared_ptr<Connection> connection)
      : loop_(loop), connection_(std::move(connection)) {}

  void send(const PreparedRequest& request, LoadDone done) override {
    if (connection_->capacity() == 0) {
      return loop_.post([done = std::move(done)]() mutable {
        done(Error{ErrorCode::kIo, "the connection takes no more requests"});
      });
    }
    connection_->send(request.head, SharedBytes::copy_of(request.body), kAnswerTimeout,
                      [done = std::move(done)](Result<wire::ClientResponse> answer) mutable {
                        if (!answer.ok()) return done(std::move(answer).error());
                        done(LoadResponse{answer->status, answer->body});
                      });
  }

 private:
  io::EventLoop& loop_;
  const std::shared_ptr<Connection> connection_;
};

}  // namespace

std::vector<std::unique_ptr<LoadConnection>> make_http2_load_connections(
    io::EventLoop& loop, std::unique_ptr<io::ByteStream> stream, std::size_t requests) {
  auto connection =
      std::make_shared<Connection>(loop, std::move(stream), true, UniqueFunction<void()>());
  connection->start();
  std::vector<std::unique_ptr<LoadConnection>> made;
  for (std::size_t i = 0; i < requests; ++i)
    made.push_back(std::make_unique<Http2LoadConnection>(loop, connection));
  return made;
}

}  // namespace spillway::client
