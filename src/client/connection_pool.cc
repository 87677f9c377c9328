#include "client/connection_pool.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"

namespace spillway::client {

// A connection that is being made. EventLoop::connect() can't be called off, so its callback shares
// this, and finds `pool` null when nobody waits for it any more.
struct ConnectionPool::Attempt {
  ConnectionPool* pool = nullptr;
  std::unique_ptr<io::Timer> timer;
};

ConnectionPool::ConnectionPool(io::EventLoop& loop, PoolOptions options)
    : loop_(loop), options_(std::move(options)) {}

ConnectionPool::~ConnectionPool() { close(); }

void ConnectionPool::request(wire::RequestHead head, std::string body, AnswerDone done) {
  SPILLWAY_ASSERT(!closed_);
  waiting_.push_back({std::move(head), std::move(body), std::move(done)});
  dispatch();
}

void ConnectionPool::close() {
  if (std::exchange(closed_, true)) return;
  const Error why{ErrorCode::kClosed, "the client was closed"};
  for (auto& attempt : std::exchange(attempts_, {})) {
    attempt->pool = nullptr;
    attempt->timer = nullptr;
  }
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
  while (attempts_.size() < wanted) connect();
}

void ConnectionPool::connect() {
  auto attempt = std::make_shared<Attempt>();
  attempt->pool = this;
  attempt->timer = loop_.make_timer();
  attempts_.push_back(attempt);
  attempt->timer->start(options_.connect_timeout, [this, attempt = attempt.get()] {
    const auto after = std::chrono::duration<double>(options_.connect_timeout).count();
    on_connected(*attempt, Error{ErrorCode::kIo, fmt::format("connect to {}: no answer in {:g} s",
                                                             options_.endpoint.address, after)});
  });
  loop_.connect(options_.endpoint.address,
                [attempt](Result<std::unique_ptr<io::ByteStream>> stream) {
                  if (attempt->pool != nullptr)
                    attempt->pool->on_connected(*attempt, std::move(stream));
                });
}

void ConnectionPool::on_connected(Attempt& attempt,
                                  Result<std::unique_ptr<io::ByteStream>> stream) {
  attempt.pool = nullptr;
  const auto found = std::find_if(attempts_.begin(), attempts_.end(),
                                  [&](const auto& one) { return one.get() == &attempt; });
  SPILLWAY_ASSERT(found != attempts_.end());
  attempts_.erase(found);
  if (stream.ok()) {
    ever_connected_ = true;
    auto connection = std::make_shared<Connection>(loop_, std::move(stream).value(), options_.http2,
                                                   [this] { dispatch(); });
    connections_.push_back(connection);
    connection->start();
    return dispatch();
  }
  // While another connection lives, the requests wait for that one.
  if (!connections_.empty() || !attempts_.empty()) return;
  for (auto& waiting : std::exchange(waiting_, {})) waiting.done(stream.error());
}

}  // namespace spillway::client
