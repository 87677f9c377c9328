#include "server/http_server.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <utility>

#include "base/assert.h"
#include "io/on_loop.h"
#include "server/connection.h"

namespace spillway::server {
namespace {

// How often deadlines are looked at: they are kept to this.
constexpr auto kTick = milliseconds(500);
// Connections beyond the limit that are being told so, at most.
constexpr std::size_t kMostTurnedAway = 1000;

// `address` with the port that it stands for. Listeners that share a port don't notice another
// program's that does the same, which would take a part of the connections. One that doesn't share
// does.
Result<std::string> unused_address(io::EventLoop& loop, const std::string& address) {
  SPILLWAY_ASSIGN(const auto alone, loop.listen(address, false, [](auto) {}));
  return fmt::format("{}:{}", address.substr(0, address.rfind(':')), alone->port());
}

}  // namespace

std::string_view Peer::host() const {
  std::string_view host = address.substr(0, address.rfind(':'));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return host;
}

Responder::Responder(std::shared_ptr<LoopState> loop, std::weak_ptr<Connection> connection,
                     wire::RequestId id)
    : loop_(std::move(loop)), connection_(std::move(connection)), id_(id) {
  ++loop_->responders;
}

Responder::Responder(Responder&& other) noexcept = default;

Responder::~Responder() {
  if (loop_) respond(wire::text_response(500, "The request was not answered\n"));
}

void Responder::respond(wire::Response response) {
  SPILLWAY_ASSERT(loop_ != nullptr);
  const auto loop = std::move(loop_);
  if (const auto connection = connection_.lock()) connection->respond(id_, std::move(response));
  --loop->responders;
  loop->finish_drain_if_done();
}

std::unique_ptr<BodyWriter> Responder::begin(wire::Response response) {
  SPILLWAY_ASSERT(loop_ != nullptr);
  response.open = true;
  auto body = std::make_shared<OpenBody>();
  auto writer = std::make_unique<BodyWriter>(loop_, connection_, id_, body);  // counted before us
  const auto loop = std::move(loop_);
  if (const auto connection = connection_.lock()) {
    connection->begin_response(id_, std::move(response), std::move(body));
  } else {
    body->wanted = false;
  }
  --loop->responders;
  return writer;
}

BodyWriter::BodyWriter(std::shared_ptr<LoopState> loop, std::weak_ptr<Connection> connection,
                       wire::RequestId id, std::shared_ptr<OpenBody> body)
    : loop_(std::move(loop)), connection_(std::move(connection)), id_(id), body_(std::move(body)) {
  ++loop_->responders;
}

BodyWriter::~BodyWriter() {
  body_->changed = nullptr;
  if (const auto connection = connection_.lock()) connection->continue_body(id_, {}, true);
  --loop_->responders;
  loop_->finish_drain_if_done();
}

void BodyWriter::write(SharedBytes bytes) {
  if (const auto connection = connection_.lock())
    connection->continue_body(id_, std::move(bytes), false);
}

bool BodyWriter::wanted() const { return body_->wanted && !connection_.expired(); }

std::size_t BodyWriter::unsent() const {
  const auto connection = connection_.lock();
  return connection ? connection->unsent_body(id_) : 0;
}

void BodyWriter::tell_below(std::size_t unsent) { body_->tell_below = unsent; }

void BodyWriter::on_change(UniqueFunction<void()> changed) { body_->changed = std::move(changed); }

ServerShared::ServerShared(HttpServerOptions its_options, RequestHandler& its_handler,
                           metrics::Registry& registry, io::EventLog& its_log)
    : options(std::move(its_options)),
      handler(its_handler),
      log(its_log),
      open_connections(registry.gauge("spillway_http_connections", "Connections that are open.",
                                      {{"listener", options.name}})),
      accepted(registry.counter("spillway_http_connections_accepted_total",
                                "Connections that clients opened.", {{"listener", options.name}})),
      refused_connections(registry.counter("spillway_http_connections_refused_total",
                                           "Connections turned away because there were too many.",
                                           {{"listener", options.name}})),
      refused_bodies(registry.counter("spillway_http_bodies_refused_total",
                                      "Requests turned away because bodies held all the memory "
                                      "that they may.",
                                      {{"listener", options.name}})),
      tls_connections(registry.counter("spillway_http_tls_connections_total",
                                       "Connections that began a TLS handshake.",
                                       {{"listener", options.name}})),
      refused_answers(
          registry.counter("spillway_http_answers_refused_total",
                           "Answers not given because clients don't take those that they "
                           "have.",
                           {{"listener", options.name}})),
      timeouts(registry.counter("spillway_http_timeouts_total",
                                "Connections closed because the client was too slow.",
                                {{"listener", options.name}})),
      malformed(registry.counter("spillway_http_malformed_total",
                                 "Connections closed because what came was not HTTP, or too large.",
                                 {{"listener", options.name}})),
      requests_http1(registry.counter("spillway_http_requests_total", "Requests that arrived.",
                                      {{"listener", options.name}, {"protocol", "1.1"}})),
      requests_http2(registry.counter("spillway_http_requests_total", "Requests that arrived.",
                                      {{"listener", options.name}, {"protocol", "2"}})),
      received_bytes(registry.counter("spillway_http_received_bytes_total", "Bytes received.",
                                      {{"listener", options.name}})),
      sent_bytes(registry.counter("spillway_http_sent_bytes_total", "Bytes sent.",
                                  {{"listener", options.name}})) {}

std::unique_ptr<char[]> BufferPool::borrow() {
  if (lent_ == kMostLent) return nullptr;
  ++lent_;
  if (kept_.empty()) return std::make_unique_for_overwrite<char[]>(kBufferBytes);
  auto buffer = std::move(kept_.back());
  kept_.pop_back();
  return buffer;
}

void BufferPool::give_back(std::unique_ptr<char[]> buffer) {
  --lent_;
  if (kept_.size() < kMostKept) kept_.push_back(std::move(buffer));
}

LoopState::LoopState(io::EventLoop& its_loop, std::shared_ptr<ServerShared> its_server)
    : loop(its_loop), server(std::move(its_server)), tick_timer_(loop.make_timer()) {}

Status LoopState::listen(const std::string& address, bool shared) {
  SPILLWAY_ASSIGN(listener,
                  loop.listen(address, shared, [this](auto stream) { accept(std::move(stream)); }));
  return {};
}

void LoopState::accept(std::unique_ptr<io::ByteStream> stream) {
  const auto before = server->connections.fetch_add(1, std::memory_order_relaxed);
  if (before >= server->options.connections + kMostTurnedAway) {
    server->connections.fetch_sub(1, std::memory_order_relaxed);
    server->refused_connections.add();
    return;
  }
  server->accepted.add();
  server->open_connections.add(1);
  auto connection = std::make_shared<Connection>(*this, std::move(stream));
  connections.emplace(connection.get(), connection);
  if (connections.size() == 1) schedule_tick();
  if (before < server->options.connections) return connection->start();
  server->refused_connections.add();
  connection->turn_away();
}

void LoopState::remove(Connection& connection) {
  if (connections.erase(&connection) == 0) return;
  server->connections.fetch_sub(1, std::memory_order_relaxed);
  server->open_connections.add(-1);
  finish_drain_if_done();
}

void LoopState::schedule_tick() {
  tick_timer_->start(kTick, [this] { tick(); });
}

void LoopState::tick() {
  const MonoTime now = loop.mono_now();
  std::vector<std::shared_ptr<Connection>> checked;  // checking may remove it
  checked.reserve(connections.size());
  for (const auto& [key, connection] : connections) checked.push_back(connection);
  for (const auto& connection : checked) connection->check_deadlines(now);
  checked.clear();
  if (!connections.empty()) schedule_tick();
}

void LoopState::drain(nanoseconds deadline) {
  draining = true;
  listener = nullptr;
  std::vector<std::shared_ptr<Connection>> open;
  open.reserve(connections.size());
  for (const auto& [key, connection] : connections) open.push_back(connection);
  for (const auto& connection : open) connection->drain();
  open.clear();
  drain_timer_ = loop.make_timer();
  drain_timer_->start(deadline, [this] {
    const auto cut = std::exchange(connections, {});
    server->connections.fetch_sub(cut.size(), std::memory_order_relaxed);
    server->open_connections.add(-static_cast<std::int64_t>(cut.size()));
    if (!cut.empty()) {
      server->log.warning("connections cut at the end of the drain",
                          {{"listener", server->options.name},
                           {"connections", static_cast<std::uint64_t>(cut.size())}});
    }
    finish_drain_if_done();
  });
  finish_drain_if_done();
}

void LoopState::finish_drain_if_done() {
  if (!draining || drain_told_ || !connections.empty() || responders > 0) return;
  drain_told_ = true;
  // Not from within a connection or a timer that this would destroy.
  loop.post([self = shared_from_this()] {
    self->close();
    if (self->server->loops_to_drain.fetch_sub(1) == 1) self->server->drained();
  });
}

void LoopState::close() {
  listener = nullptr;
  tick_timer_ = nullptr;
  drain_timer_ = nullptr;
  const auto cut = std::exchange(connections, {});
  server->connections.fetch_sub(cut.size(), std::memory_order_relaxed);
  server->open_connections.add(-static_cast<std::int64_t>(cut.size()));
}

const std::string& LoopState::date() {
  const auto second = std::chrono::floor<seconds>(loop.wall_now());
  if (second != date_second_ || date_.empty()) {
    date_second_ = second;
    date_ = fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT",
                        fmt::gmtime(static_cast<std::time_t>(second.time_since_epoch().count())));
  }
  return date_;
}

HttpServer::HttpServer(std::span<io::EventLoop* const> loops, HttpServerOptions options,
                       RequestHandler& handler, metrics::Registry& metrics, io::EventLog& log)
    : shared_(std::make_shared<ServerShared>(std::move(options), handler, metrics, log)) {
  SPILLWAY_ASSERT(!loops.empty());
  for (auto* loop : loops) loops_.push_back(std::make_shared<LoopState>(*loop, shared_));
}

HttpServer::~HttpServer() {
  for (const auto& loop : loops_) loop->close();
}

Status HttpServer::listen() {
  std::string address = shared_->options.address;
  if (shared_port()) {
    SPILLWAY_ASSIGN(address, unused_address(loops_.front()->loop, address));
  }
  for (const auto& state : loops_) SPILLWAY_TRY(state->listen(address, shared_port()));
  return {};
}

Task<Status> HttpServer::open(io::EventLoop* caller) {
  std::string address = shared_->options.address;
  if (shared_port()) {
    auto* const first = &loops_.front()->loop;
    auto finding = io::at_loop<Result<std::string>>(
        caller, first, [first, address] { return unused_address(*first, address); });
    auto found = co_await finding;
    if (!found.ok()) co_return std::move(found).error();
    address = *std::move(found);
  }
  for (const auto& state : loops_) {
    auto listening = io::at_loop<Status>(caller, &state->loop, [this, state, address] {
      return state->listen(address, shared_port());
    });
    auto opened = co_await listening;
    if (!opened.ok()) co_return opened;
  }
  co_return Status();
}

std::uint16_t HttpServer::port() const {
  SPILLWAY_ASSERT(!loops_.empty() && loops_.front()->listener);
  return loops_.front()->listener->port();
}

std::size_t HttpServer::connections() const {
  return shared_->connections.load(std::memory_order_relaxed);
}

void HttpServer::drain(nanoseconds deadline, UniqueFunction<void()> drained) {
  shared_->drained = std::move(drained);
  shared_->loops_to_drain = loops_.size();
  for (const auto& state : loops_) state->loop.post([state, deadline] { state->drain(deadline); });
}

}  // namespace spillway::server
