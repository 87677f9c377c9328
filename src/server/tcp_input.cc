#include "server/tcp_input.h"

#include <array>
#include <utility>

#include "io/on_loop.h"

namespace spillway::server {

// One sender: reads, has what it read taken, and reads on then.
class TcpInput::Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(TcpInput& input, std::unique_ptr<io::ByteStream> stream)
      : input_(input),
        stream_(std::move(stream)),
        reader_(input.make_reader_(host_of(stream_->peer_address()), input.streams_)),
        heard_(input.loop_.mono_now()) {}

  void read() {
    stream_->read(buffer_, [this](Result<std::size_t> got) {
      if (got.ok() && *got > 0) return take({buffer_.data(), *got});
      end_ = got.ok() ? SenderReader::End::kWhole : SenderReader::End::kBroken;
      ended_ = true;
      go_on();
    });
  }

  void set_streams(const InputStreams& streams) { reader_->set_streams(streams); }
  bool ended() const { return ended_; }
  // We hold it back: what it sent is not taken yet.
  bool held_back() const { return taking_; }
  // When it last had a whole message taken, or came. Pieces of one don't count: a sender that
  // drips them is as good as stuck.
  MonoTime heard() const { return heard_; }
  // Tells the sender to go elsewhere, and reads until it does.
  void retire() {
    if (!ended_) stream_->shut_down_write();
  }
  // Reads no more; what was read is still taken.
  void drain() {
    if (!std::exchange(ended_, true)) {
      end_ = SenderReader::End::kCutOff;
      stream_ = nullptr;
    }
    if (!taking_) go_on();
  }
  void close() { reader_->close(); }

 private:
  SenderReader::Taken taken() {
    taking_ = true;
    return [self = shared_from_this()](bool heard) {
      self->taking_ = false;
      if (heard) self->heard_ = self->input_.loop_.mono_now();
      self->go_on();
    };
  }

  void take(std::string_view bytes) { reader_->take(bytes, taken()); }

  void go_on() {
    if (!ended_) return read();
    if (!std::exchange(told_end_, true)) return reader_->end(end_, taken());
    if (!std::exchange(removed_, true)) input_.remove(*this);
  }

  TcpInput& input_;
  std::unique_ptr<io::ByteStream> stream_;  // nullptr: it is not read any more
  const std::unique_ptr<SenderReader> reader_;
  std::array<char, 16 * 1024> buffer_;
  MonoTime heard_;
  SenderReader::End end_ = SenderReader::End::kWhole;
  bool taking_ = false;
  bool ended_ = false;
  bool told_end_ = false;
  bool removed_ = false;
};

TcpInput::TcpInput(io::AsioLoop& loop, std::string address, const std::string& name,
                   MakeReader make_reader, InputStreams streams, metrics::Registry& metrics)
    : loop_(loop),
      address_(std::move(address)),
      make_reader_(std::move(make_reader)),
      streams_(std::move(streams)),
      refused_connections_(metrics.counter("spillway_input_refused_connections_total",
                                           "Connections of an input that were closed because "
                                           "there are too many: new ones, or the quietest",
                                           {{"input", name}})),
      deadline_(loop.make_timer()) {}

TcpInput::~TcpInput() = default;

Task<Status> TcpInput::open(io::EventLoop* caller) {
  auto listening = io::at_loop<Status>(caller, &loop_, [this] { return listen(); });
  auto opened = co_await listening;
  co_return opened;
}

Status TcpInput::listen() {
  SPILLWAY_ASSIGN(
      listener_, loop_.listen(address_, false, [this](auto stream) { accept(std::move(stream)); }));
  return {};
}

void TcpInput::set_streams(const InputStreams& streams) {
  loop_.post([this, streams] {
    streams_ = streams;
    for (const auto& connection : open_connections()) connection->set_streams(streams);
  });
}

void TcpInput::accept(std::unique_ptr<io::ByteStream> stream) {
  if (!make_room()) return;  // it is closed
  auto connection = std::make_shared<Connection>(*this, std::move(stream));
  connections_.emplace(connection.get(), connection);
  open_ = connections_.size();
  connection->read();
}

bool TcpInput::make_room() {
  if (connections_.size() < kConnectionsMax) return true;
  std::size_t open = 0;
  std::shared_ptr<Connection> quietest;
  for (const auto& [key, connection] : connections_) {
    if (connection->ended()) continue;
    ++open;
    if (connection->held_back()) continue;
    if (!quietest || connection->heard() < quietest->heard()) quietest = connection;
  }
  const bool leaving_fit = connections_.size() < kConnectionsMax + kLeavingMax;
  if (open < kConnectionsMax && leaving_fit) return true;
  refused_connections_.add();
  if (!leaving_fit || !quietest || loop_.mono_now() - quietest->heard() < kQuietTime) return false;
  quietest->drain();
  return true;
}

void TcpInput::remove(Connection& connection) {
  // Not from within the callback of a stream that this would destroy.
  loop_.post([this, &connection] {
    connections_.erase(&connection);
    open_ = connections_.size();
    finish_drain_if_done();
  });
}

void TcpInput::drain(nanoseconds deadline, UniqueFunction<void()> drained) {
  loop_.post([this, deadline, drained = std::move(drained)]() mutable {
    stop_listening(std::move(drained));
    cut_off(deadline);
  });
}

void TcpInput::retire(nanoseconds deadline, UniqueFunction<void()> retired) {
  loop_.post([this, deadline, retired = std::move(retired)]() mutable {
    stop_listening(std::move(retired));
    for (const auto& connection : open_connections()) connection->retire();
    deadline_->start(deadline, [this] { cut_off(kCutOffTime); });
    finish_drain_if_done();
  });
}

void TcpInput::stop_listening(UniqueFunction<void()> drained) {
  drained_ = std::move(drained);
  listener_ = nullptr;
}

void TcpInput::cut_off(nanoseconds deadline) {
  deadline_->start(deadline, [this] {
    for (const auto& [key, connection] : std::exchange(connections_, {})) connection->close();
    open_ = 0;
    finish_drain_if_done();
  });
  for (const auto& connection : open_connections()) connection->drain();
  finish_drain_if_done();
}

std::vector<std::shared_ptr<TcpInput::Connection>> TcpInput::open_connections() const {
  std::vector<std::shared_ptr<Connection>> open;  // what is done with them may remove some
  open.reserve(connections_.size());
  for (const auto& [key, connection] : connections_) open.push_back(connection);
  return open;
}

void TcpInput::finish_drain_if_done() {
  if (!drained_ || !connections_.empty()) return;
  deadline_->cancel();
  // Behind what was posted before with a `this` in it.
  loop_.post([drained = std::exchange(drained_, nullptr)]() mutable { drained(); });
}

std::string host_of(std::string_view peer) {
  std::string_view host = peer.substr(0, peer.rfind(':'));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return std::string(host);
}

}  // namespace spillway::server
