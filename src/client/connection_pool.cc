#include "client/connection_pool.h"

#include <algorithm>

#include "base/assert.h"

namespace spillway::client {

ConnectionPool::ConnectionPool(io::EventLoop& loop, PoolOptions options)
    : loop_(loop), options_(std::move(options)) {}

ConnectionPool::~ConnectionPool() { close(); }

void ConnectionPool::request(wire::RequestHead head, SharedBytes body, AnswerDone done) {
  SPILLWAY_ASSERT(!closed_);
  waiting_.push_back({std::move(head), std::move(body), std::move(done)});
  dispatch();
}

void ConnectionPool::close() {
  if (std::exchange(closed_, true)) return;
  const Error why{ErrorCode::kClosed, "the client was closed"};
  dials_.clear();
  for (auto& connection : std::exchange(connections_, {})) connection->close(why);
  for (auto& waiting : std::exchange(waiting_, {})) waiting.done(why);
}

void ConnectionPool::dispatch() {
  std::erase_if(connections_, [](const auto& connection) { return connection->closed(); });
  while (!waiting_.empty()) {
    const auto free = std::find_if(connections_.begin(), connections_.end(),
                                   [](const auto& one) { return one->capacity() > 0; });
    if (free == connections_.end()) break;
    Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    (*free)->send(std::move(next.head), std::move(next.body), options_.request_timeout,
                  std::move(next.done));
  }
  // Over HTTP/2, one beside those that only finish what they have.
  const std::size_t usable = options_.http2
                                 ? static_cast<std::size_t>(std::count_if(
                                       connections_.begin(), connections_.end(),
                                       [](const auto& one) { return one->takes_requests(); }))
                                 : connections_.size();
  const std::size_t most = options_.http2 ? 1 : options_.connections_max;
  const std::size_t wanted = std::min(waiting_.size(), most - std::min(most, usable));
  while (dials_.size() < wanted) connect();
}

void ConnectionPool::connect() {
  const auto dial = dials_.emplace(dials_.end());
  dial->emplace(loop_, options_.endpoint, options_.tls, options_.http2, options_.connect_timeout,
                [this, dial](Result<std::unique_ptr<io::ByteStream>> stream) {
                  on_connected(dial, std::move(stream));
                });
}

void ConnectionPool::on_connected(Dials::iterator dial,
                                  Result<std::unique_ptr<io::ByteStream>> stream) {
  dials_.erase(dial);
  if (stream.ok()) {
    ever_connected_ = true;
    auto connection = std::make_shared<Connection>(loop_, std::move(stream).value(), options_.http2,
                                                   [this] { dispatch(); });
    connections_.push_back(connection);
    connection->start();
    return dispatch();
  }
  // While another connection lives, the requests wait for that one.
  if (!connections_.empty() || !dials_.empty()) return;
  for (auto& waiting : std::exchange(waiting_, {})) waiting.done(stream.error());
}

}  // namespace spillway::client
