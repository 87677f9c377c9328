#include "io/asio_loop.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>

#include <array>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/assert.h"
#include "io/clock.h"

namespace spillway::io {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::ip::udp;
using ErrorCodeOfAsio = boost::system::error_code;

constexpr std::size_t kMaxParts = 64;
// How long accepting pauses when the process is out of files: accept(2) would fail at once, again
// and again, and keep the loop from closing any.
constexpr auto kAcceptPause = std::chrono::milliseconds(100);

template <typename Endpoint>
std::string to_text(const Endpoint& endpoint) {
  const auto host = endpoint.address().to_string();
  return endpoint.address().is_v6() ? fmt::format("[{}]:{}", host, endpoint.port())
                                    : fmt::format("{}:{}", host, endpoint.port());
}

Error io_error(std::string_view doing, const ErrorCodeOfAsio& failed) {
  return Error{ErrorCode::kIo, fmt::format("{}: {}", doing, failed.message())};
}

// The system takes megabytes from a writer at once, and tells it of room when a third of them has
// gone: whether the peer takes anything at all could not be told from that for minutes. So no more
// than this waits there, beside what is on its way (tcp(7), TCP_NOTSENT_LOWAT).
constexpr int kNotSentMax = 256 << 10;
using NotSentLowAt = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_NOTSENT_LOWAT>;

// The state that handlers share with the ByteStream. A destroyed stream clears the callbacks, so
// that a completion which is already queued finds nothing to call.
struct StreamState : std::enable_shared_from_this<StreamState> {
  StreamState(tcp::socket connected, tcp::endpoint its_peer)
      : socket(std::move(connected)), peer(std::move(its_peer)) {
    ErrorCodeOfAsio ignored;  // they fail only on a socket that is dead already: reads will say so
    socket.set_option(tcp::no_delay(true), ignored);
    socket.set_option(NotSentLowAt(kNotSentMax), ignored);
    socket.non_blocking(true, ignored);
  }

  void read(std::span<char> into, UniqueFunction<void(Result<std::size_t>)> done) {
    SPILLWAY_ASSERT(!read_done && !into.empty());
    read_done = std::move(done);
    socket.async_read_some(asio::buffer(into.data(), into.size()),
                           [self = shared_from_this()](ErrorCodeOfAsio failed, std::size_t size) {
                             self->finish_read(failed, size);
                           });
  }

  void finish_read(ErrorCodeOfAsio failed, std::size_t size) {
    if (!read_done) return;
    auto done = std::exchange(read_done, nullptr);
    if (failed == asio::error::eof) return done(std::size_t{0});
    if (failed) return done(io_error(fmt::format("read from {}", to_text(peer)), failed));
    done(size);
  }

  void write(std::span<const std::string_view> parts, UniqueFunction<void(Status)> done) {
    SPILLWAY_ASSERT(!write_done && parts.size() <= kMaxParts);
    write_done = std::move(done);
    part_count = 0;
    first_part = 0;
    for (const auto part : parts) {
      if (!part.empty()) unwritten[part_count++] = asio::const_buffer(part.data(), part.size());
    }
    // What the socket takes at once costs one system call; the callback still goes through the
    // queue, since it must not run inside this call.
    const auto failed = write_what_fits();
    if (failed == asio::error::would_block) return wait_to_write();
    asio::post(socket.get_executor(),
               [self = shared_from_this(), failed] { self->finish_write(failed); });
  }

  // Success when everything is written, would_block when the socket is full.
  ErrorCodeOfAsio write_what_fits() {
    ErrorCodeOfAsio failed;
    while (first_part < part_count) {
      const std::span<const asio::const_buffer> rest(unwritten.data() + first_part,
                                                     part_count - first_part);
      std::size_t size = socket.write_some(rest, failed);
      if (failed == asio::error::interrupted) continue;
      if (failed) return failed;
      while (size > 0) {
        auto& part = unwritten[first_part];
        const std::size_t taken = std::min(size, part.size());
        part += taken;
        size -= taken;
        if (part.size() == 0) ++first_part;
      }
    }
    return {};
  }

  void wait_to_write() {
    socket.async_wait(tcp::socket::wait_write, [self = shared_from_this()](ErrorCodeOfAsio failed) {
      if (!self->write_done) return;
      if (!failed) failed = self->write_what_fits();
      if (failed == asio::error::would_block) return self->wait_to_write();
      self->finish_write(failed);
    });
  }

  void finish_write(ErrorCodeOfAsio failed) {
    if (!write_done) return;
    auto done = std::exchange(write_done, nullptr);
    if (failed) return done(io_error(fmt::format("write to {}", to_text(peer)), failed));
    done(Status());
  }

  void close() {
    read_done = nullptr;
    write_done = nullptr;
    ErrorCodeOfAsio ignored;  // the descriptor is gone either way
    socket.close(ignored);
  }

  tcp::socket socket;
  const tcp::endpoint peer;
  UniqueFunction<void(Result<std::size_t>)> read_done;
  UniqueFunction<void(Status)> write_done;
  std::array<asio::const_buffer, kMaxParts> unwritten;
  std::size_t first_part = 0;
  std::size_t part_count = 0;
};

class AsioStream final : public ByteStream {
 public:
  AsioStream(tcp::socket socket, tcp::endpoint peer)
      : state_(std::make_shared<StreamState>(std::move(socket), std::move(peer))) {}
  ~AsioStream() override { state_->close(); }

  void read(std::span<char> into, UniqueFunction<void(Result<std::size_t>)> done) override {
    state_->read(into, std::move(done));
  }
  void write(std::span<const std::string_view> parts, UniqueFunction<void(Status)> done) override {
    state_->write(parts, std::move(done));
  }
  void shut_down_write() override {
    ErrorCodeOfAsio ignored;  // a peer that reset the connection has no use for our end of stream
    state_->socket.shutdown(tcp::socket::shutdown_send, ignored);
  }
  std::string peer_address() const override { return to_text(state_->peer); }

 private:
  std::shared_ptr<StreamState> state_;
};

struct ListenerState : std::enable_shared_from_this<ListenerState> {
  explicit ListenerState(asio::io_context& context) : acceptor(context), pause(context) {}

  void accept() {
    acceptor.async_accept(peer,
                          [self = shared_from_this()](ErrorCodeOfAsio failed, tcp::socket socket) {
                            if (!self->acceptor.is_open()) return;
                            if (failed) return self->accept_again_after(failed);
                            // The callback may destroy the listener, and with it `accepted`: keep
                            // it meanwhile.
                            auto call = std::move(self->accepted);
                            call(std::make_unique<AsioStream>(std::move(socket), self->peer));
                            if (!self->acceptor.is_open()) return;
                            self->accepted = std::move(call);
                            self->accept();
                          });
  }

  void accept_again_after(ErrorCodeOfAsio failed) {
    // A peer that gave up while queued is nobody's problem; anything else is a lack of files or
    // memory, which passes.
    if (failed == asio::error::connection_aborted) return accept();
    pause.expires_after(kAcceptPause);
    pause.async_wait([self = shared_from_this()](ErrorCodeOfAsio) {
      if (self->acceptor.is_open()) self->accept();
    });
  }

  void close() {
    ErrorCodeOfAsio ignored;  // the descriptor is gone either way
    acceptor.close(ignored);
    pause.cancel();
    accepted = nullptr;
  }

  tcp::acceptor acceptor;
  asio::steady_timer pause;
  tcp::endpoint peer;
  UniqueFunction<void(std::unique_ptr<ByteStream>)> accepted;
};

class AsioListener final : public Listener {
 public:
  AsioListener(std::shared_ptr<ListenerState> state, std::uint16_t port)
      : state_(std::move(state)), port_(port) {}
  ~AsioListener() override { state_->close(); }
  std::uint16_t port() const override { return port_; }

 private:
  std::shared_ptr<ListenerState> state_;
  const std::uint16_t port_;
};

struct DatagramState : std::enable_shared_from_this<DatagramState> {
  // Taken at a time, behind which the loop's other work comes first.
  static constexpr int kBurst = 64;

  explicit DatagramState(asio::io_context& context) : socket(context) {}

  void wait() {
    socket.async_wait(udp::socket::wait_read, [self = shared_from_this()](ErrorCodeOfAsio failed) {
      if (failed || !self->socket.is_open()) return;
      self->take();
      if (self->socket.is_open()) self->wait();
    });
  }

  // The receiver may close the socket.
  void take() {
    for (int i = 0; i < kBurst && socket.is_open(); ++i) {
      udp::endpoint peer;
      ErrorCodeOfAsio failed;
      const std::size_t size = socket.receive_from(asio::buffer(buffer), peer, 0, failed);
      if (failed) return;  // there is none, or an answer to nothing of ours
      auto call = std::move(received);
      call({buffer.data(), size}, to_text(peer));
      if (socket.is_open()) received = std::move(call);
    }
  }

  void close() {
    ErrorCodeOfAsio ignored;  // the descriptor is gone either way
    socket.close(ignored);
    received = nullptr;
  }

  udp::socket socket;
  DatagramReceiver received;
  std::array<char, 64 * 1024> buffer;  // no datagram is larger
};

class AsioDatagramPort final : public DatagramPort {
 public:
  AsioDatagramPort(std::shared_ptr<DatagramState> state, std::uint16_t port)
      : state_(std::move(state)), port_(port) {}
  ~AsioDatagramPort() override { state_->close(); }
  std::uint16_t port() const override { return port_; }

 private:
  const std::shared_ptr<DatagramState> state_;
  const std::uint16_t port_;
};

class AsioTimer final : public Timer {
 public:
  explicit AsioTimer(asio::io_context& context) : state_(std::make_shared<State>(context)) {}
  ~AsioTimer() override { cancel(); }

  void start(nanoseconds delay, UniqueFunction<void()> done) override {
    state_->done = std::move(done);
    const auto round = ++state_->round;
    state_->timer.expires_after(delay);  // cancels an earlier wait
    state_->timer.async_wait([state = state_, round](ErrorCodeOfAsio failed) {
      // A wait that expired just before it was replaced comes here without an error.
      if (failed || round != state->round) return;
      auto call = std::exchange(state->done, nullptr);
      if (call) call();
    });
  }
  void cancel() override {
    state_->done = nullptr;
    ++state_->round;
    state_->timer.cancel();
  }

 private:
  struct State {
    explicit State(asio::io_context& context) : timer(context) {}
    asio::steady_timer timer;
    std::uint64_t round = 0;
    UniqueFunction<void()> done;
  };
  std::shared_ptr<State> state_;
};

struct HostPort {
  std::string host;
  std::uint16_t port = 0;
};

Result<HostPort> split_address(const std::string& address) {
  const auto invalid = [&] {
    return Error{ErrorCode::kInvalid,
                 fmt::format("\"{}\" is not an address: write host:port, as in 127.0.0.1:4566 or "
                             "[::1]:4566",
                             address)};
  };
  const auto colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0) return invalid();
  HostPort split{address.substr(0, colon), 0};
  const char* const end = address.data() + address.size();
  const auto parsed = std::from_chars(address.data() + colon + 1, end, split.port);
  if (parsed.ec != std::errc() || parsed.ptr != end) return invalid();
  if (split.host.front() == '[') {
    if (split.host.size() < 3 || split.host.back() != ']') return invalid();
    split.host = split.host.substr(1, split.host.size() - 2);
  } else if (split.host.find(':') != std::string::npos) {
    return invalid();
  }
  return split;
}

Result<std::vector<tcp::endpoint>> look_up(const HostPort& where) {
  ErrorCodeOfAsio failed;
  if (const auto literal = asio::ip::make_address(where.host, failed); !failed)
    return std::vector{tcp::endpoint(literal, where.port)};
  if (where.host == "localhost") {
    return std::vector{tcp::endpoint(asio::ip::address_v4::loopback(), where.port),
                       tcp::endpoint(asio::ip::address_v6::loopback(), where.port)};
  }
  addrinfo wanted{};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int code = ::getaddrinfo(where.host.c_str(), nullptr, &wanted, &found); code != 0) {
    return Error{ErrorCode::kIo, fmt::format("look up {}: {}", where.host, ::gai_strerror(code))};
  }
  std::vector<tcp::endpoint> endpoints;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    tcp::endpoint endpoint;
    if (one->ai_addrlen > endpoint.capacity()) continue;
    endpoint.resize(one->ai_addrlen);
    std::memcpy(endpoint.data(), one->ai_addr, one->ai_addrlen);
    endpoint.port(where.port);
    endpoints.push_back(endpoint);
  }
  ::freeaddrinfo(found);
  if (endpoints.empty())
    return Error{ErrorCode::kIo, fmt::format("look up {}: no address", where.host)};
  return endpoints;
}

Error listen_error(const HostPort& where, const ErrorCodeOfAsio& failed) {
  const auto port_on_host = fmt::format("port {} on {}", where.port, where.host);
  if (failed == asio::error::address_in_use)
    return Error{
        ErrorCode::kBusy,
        port_on_host + " is in use by another program: choose another port, or end that one"};
  if (failed == asio::error::access_denied) {
    return Error{ErrorCode::kDenied,
                 port_on_host + " may not be opened by this user: choose one above 1023"};
  }
  if (failed.value() == EADDRNOTAVAIL)
    return Error{ErrorCode::kInvalid, where.host + " is not an address of this machine"};
  return io_error("listen on " + port_on_host, failed);
}

ErrorCodeOfAsio open_acceptor(tcp::acceptor& acceptor, const tcp::endpoint& endpoint, bool shared) {
  using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;
  ErrorCodeOfAsio failed;
  acceptor.open(endpoint.protocol(), failed);
  if (!failed) acceptor.set_option(tcp::acceptor::reuse_address(true), failed);
  if (!failed && shared) acceptor.set_option(ReusePort(true), failed);
  if (!failed) acceptor.bind(endpoint, failed);
  if (!failed) acceptor.listen(asio::socket_base::max_listen_connections, failed);
  return failed;
}

ErrorCodeOfAsio open_datagrams(udp::socket& socket, const udp::endpoint& endpoint) {
  ErrorCodeOfAsio failed;
  socket.open(endpoint.protocol(), failed);
  if (!failed) socket.bind(endpoint, failed);
  if (!failed) socket.non_blocking(true, failed);
  ErrorCodeOfAsio ignored;  // fewer bytes then
  socket.set_option(asio::socket_base::receive_buffer_size(DatagramPort::kReceiveBytes), ignored);
  return failed;
}

struct Connecting : std::enable_shared_from_this<Connecting> {
  Connecting(asio::io_context& io, std::string named) : context(io), address(std::move(named)) {}

  void try_next() {
    socket.emplace(context);
    socket->async_connect(endpoints[next], [self = shared_from_this()](ErrorCodeOfAsio failed) {
      const auto& endpoint = self->endpoints[self->next];
      if (!failed) {
        return self->done(std::unique_ptr<ByteStream>(
            std::make_unique<AsioStream>(*std::move(self->socket), endpoint)));
      }
      if (++self->next < self->endpoints.size()) return self->try_next();
      self->done(io_error("connect to " + self->address, failed));
    });
  }

  asio::io_context& context;
  const std::string address;
  UniqueFunction<void(Result<std::unique_ptr<ByteStream>>)> done;
  std::vector<tcp::endpoint> endpoints;
  std::size_t next = 0;
  std::optional<tcp::socket> socket;
};

}  // namespace

struct AsioLoop::State {
  // One thread runs the loop: Asio then queues what that thread posts without taking a lock.
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  std::optional<asio::signal_set> signals;
  std::function<void(int)> signalled;
  SystemClock clock;

  void wait_for_signal() {
    signals->async_wait([this](ErrorCodeOfAsio failed, int number) {
      if (failed) return;
      signalled(number);
      wait_for_signal();
    });
  }
};

AsioLoop::AsioLoop() : state_(std::make_unique<State>()) {}
AsioLoop::~AsioLoop() = default;

void AsioLoop::run() {
  state_->context.run();
  state_->context.restart();
}

void AsioLoop::stop() { state_->context.stop(); }

void AsioLoop::on_signal(std::function<void(int)> handler) {
  SPILLWAY_ASSERT(!state_->signals);
  state_->signalled = std::move(handler);
  state_->signals.emplace(state_->context, SIGINT, SIGTERM, SIGHUP);
  state_->wait_for_signal();
}

void AsioLoop::post(UniqueFunction<void()> task) { asio::post(state_->context, std::move(task)); }

std::unique_ptr<Timer> AsioLoop::make_timer() {
  return std::make_unique<AsioTimer>(state_->context);
}

MonoTime AsioLoop::mono_now() { return state_->clock.mono_now(); }
WallTime AsioLoop::wall_now() { return state_->clock.wall_now(); }

Result<std::unique_ptr<Listener>> AsioLoop::listen(
    const std::string& address, bool shared,
    UniqueFunction<void(std::unique_ptr<ByteStream>)> accepted) {
  SPILLWAY_ASSIGN(const HostPort where, split_address(address));
  SPILLWAY_ASSIGN(const auto endpoints, look_up(where));
  auto state = std::make_shared<ListenerState>(state_->context);
  const auto failed = open_acceptor(state->acceptor, endpoints.front(), shared);
  if (failed) return listen_error(where, failed);
  ErrorCodeOfAsio unknown;
  const auto port = state->acceptor.local_endpoint(unknown).port();
  if (unknown) return io_error("listen on " + address, unknown);
  state->accepted = std::move(accepted);
  state->accept();
  return std::unique_ptr<Listener>(std::make_unique<AsioListener>(std::move(state), port));
}

Result<std::unique_ptr<DatagramPort>> AsioLoop::receive_datagrams(const std::string& address,
                                                                  DatagramReceiver received) {
  SPILLWAY_ASSIGN(const HostPort where, split_address(address));
  SPILLWAY_ASSIGN(const auto endpoints, look_up(where));
  auto state = std::make_shared<DatagramState>(state_->context);
  const auto& first = endpoints.front();
  if (const auto failed = open_datagrams(state->socket, {first.address(), first.port()}))
    return listen_error(where, failed);
  ErrorCodeOfAsio unknown;
  const auto port = state->socket.local_endpoint(unknown).port();
  if (unknown) return io_error("listen on " + address, unknown);
  state->received = std::move(received);
  state->wait();
  return std::unique_ptr<DatagramPort>(std::make_unique<AsioDatagramPort>(std::move(state), port));
}

void AsioLoop::connect(const std::string& address,
                       UniqueFunction<void(Result<std::unique_ptr<ByteStream>>)> done) {
  auto connecting = std::make_shared<Connecting>(state_->context, address);
  connecting->done = std::move(done);
  const auto fail = [&](Error error) {
    post([connecting, error = std::move(error)] { connecting->done(error); });
  };
  auto where = split_address(address);
  if (!where.ok()) return fail(where.error());
  auto endpoints = look_up(*where);
  if (!endpoints.ok()) return fail(endpoints.error());
  connecting->endpoints = *std::move(endpoints);
  connecting->try_next();
}

}  // namespace spillway::io
