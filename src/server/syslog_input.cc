#include "server/syslog_input.h"

#include <algorithm>
#include <array>
#include <utility>

#include "broker/syslog.h"
#include "io/on_loop.h"

namespace spillway::server {
namespace {

// The address without its port and brackets.
std::string host_of(std::string_view peer) {
  std::string_view host = peer.substr(0, peer.rfind(':'));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return std::string(host);
}

broker::InputRecord record_of(const broker::SyslogMessage& message, std::string_view peer,
                              WallTime now, broker::InputMetrics& counts) {
  auto record = broker::read_syslog(message, peer, now);
  if (record.malformed) counts.malformed.add();
  return {std::move(record.key), std::move(record.json)};
}

}  // namespace

// One sender over TCP: reads, puts what it read, and reads on when that is durable.
class SyslogInput::Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(SyslogInput& input, std::unique_ptr<io::ByteStream> stream)
      : input_(input),
        stream_(std::move(stream)),
        peer_(host_of(stream_->peer_address())),
        writer_(std::make_shared<broker::SpoolWriter>(input.loop_, input.spool_, input.stream_,
                                                      input.tcp_)),
        heard_(input.loop_.mono_now()) {}

  void read() {
    stream_->read(buffer_, [this](Result<std::size_t> got) {
      const std::size_t size = got.ok() ? *got : 0;  // a reset is an end like any other
      std::vector<broker::SyslogMessage> messages;
      framer_.take({buffer_.data(), size}, messages);
      ended_ = size == 0;
      put(messages);
    });
  }

  void set_stream(const std::string& stream) { writer_->set_stream(stream); }
  bool ended() const { return ended_; }
  // We hold it back: what it sent is not in the spool yet.
  bool held_back() const { return writer_->busy(); }
  // When it last had a whole message in the spool, or came. Pieces of one don't count: a sender
  // that drips them is as good as stuck.
  MonoTime heard() const { return heard_; }
  // Tells the sender to go elsewhere, and reads until it does.
  void retire() {
    if (!ended_) stream_->shut_down_write();
  }
  // Reads no more; what was read is still put.
  void drain() {
    if (!std::exchange(ended_, true)) {
      cut_short_ = true;
      stream_ = nullptr;
    }
    if (!writer_->busy()) go_on();
  }
  void close() { writer_->close(); }

 private:
  void put(const std::vector<broker::SyslogMessage>& messages) {
    if (messages.empty()) return go_on();
    const WallTime now = input_.loop_.wall_now();
    std::vector<broker::InputRecord> records;
    records.reserve(messages.size());
    for (const auto& message : messages)
      records.push_back(record_of(message, peer_, now, input_.tcp_));
    writer_->put(std::move(records), [self = shared_from_this()] {
      self->heard_ = self->input_.loop_.mono_now();
      self->go_on();
    });
  }

  void go_on() {
    if (!ended_) return read();
    if (removed_) return;
    std::vector<broker::SyslogMessage> rest;
    if (cut_short_)
      framer_.cut(rest);
    else
      framer_.end(rest);
    if (!rest.empty()) return put(rest);
    removed_ = true;
    input_.remove(*this);
  }

  SyslogInput& input_;
  std::unique_ptr<io::ByteStream> stream_;  // nullptr: it is not read any more
  const std::string peer_;
  const std::shared_ptr<broker::SpoolWriter> writer_;
  broker::SyslogFramer framer_;
  std::array<char, 16 * 1024> buffer_;
  MonoTime heard_;
  bool ended_ = false;
  bool cut_short_ = false;  // not by the sender
  bool removed_ = false;
};

SyslogInput::SyslogInput(io::AsioLoop& loop, broker::Spool& spool, Transport transport,
                         std::string address, const InputStreams& streams,
                         metrics::Registry& metrics)
    : loop_(loop),
      spool_(spool),
      transport_(transport),
      address_(std::move(address)),
      stream_(streams.syslog),
      tcp_(metrics, "syslog_tcp"),
      udp_(metrics, "syslog_udp"),
      refused_connections_(metrics.counter("spillway_input_refused_connections_total",
                                           "Connections of an input that were closed because "
                                           "there are too many: new ones, or the quietest",
                                           {{"input", "syslog_tcp"}})),
      datagrams_(std::make_shared<broker::SpoolWriter>(loop, spool, stream_, udp_)),
      deadline_(loop.make_timer()) {}

SyslogInput::~SyslogInput() = default;

Task<Status> SyslogInput::open(io::EventLoop* caller) {
  auto listening = io::at_loop<Status>(caller, &loop_, [this] { return listen(); });
  auto opened = co_await listening;
  co_return opened;
}

Status SyslogInput::listen() {
  if (transport_ == Transport::kTcp) {
    SPILLWAY_ASSIGN(listener_, loop_.listen(address_, false,
                                            [this](auto stream) { accept(std::move(stream)); }));
  } else {
    SPILLWAY_ASSIGN(port_, loop_.receive_datagrams(
                               address_, [this](std::string_view datagram, std::string_view peer) {
                                 take_datagram(datagram, peer);
                               }));
  }
  return {};
}

void SyslogInput::set_streams(const InputStreams& streams) {
  loop_.post([this, stream = streams.syslog] {
    stream_ = stream;
    datagrams_->set_stream(stream);
    for (const auto& connection : open_connections()) connection->set_stream(stream);
  });
}

void SyslogInput::accept(std::unique_ptr<io::ByteStream> stream) {
  if (!make_room()) return;  // it is closed
  auto connection = std::make_shared<Connection>(*this, std::move(stream));
  connections_.emplace(connection.get(), connection);
  connection->read();
}

bool SyslogInput::make_room() {
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

void SyslogInput::remove(Connection& connection) {
  // Not from within the callback of a stream that this would destroy.
  loop_.post([this, &connection] {
    connections_.erase(&connection);
    finish_drain_if_done();
  });
}

void SyslogInput::take_datagram(std::string_view datagram, std::string_view peer) {
  if (waiting_bytes_ >= kWaitingBytesMax) return udp_.refused.add();
  broker::SyslogMessage message;
  message.cut = datagram.size() > broker::kSyslogBytesMax;
  message.text = datagram.substr(0, broker::kSyslogBytesMax);
  while (message.text.ends_with('\n')) message.text.pop_back();
  if (message.text.empty()) return;
  waiting_.push_back(record_of(message, host_of(peer), loop_.wall_now(), udp_));
  waiting_bytes_ += waiting_.back().data.size();
  if (waiting_.size() == 1 && !datagrams_->busy()) loop_.post([this] { put_waiting(); });
}

void SyslogInput::put_waiting() {
  if (waiting_.empty() || datagrams_->busy()) return finish_drain_if_done();
  waiting_bytes_ = 0;
  datagrams_->put(std::exchange(waiting_, {}), [this] { put_waiting(); });
}

void SyslogInput::drain(nanoseconds deadline, UniqueFunction<void()> drained) {
  loop_.post([this, deadline, drained = std::move(drained)]() mutable {
    stop_listening(std::move(drained));
    cut_off(deadline);
  });
}

void SyslogInput::retire(nanoseconds deadline, UniqueFunction<void()> retired) {
  loop_.post([this, deadline, retired = std::move(retired)]() mutable {
    stop_listening(std::move(retired));
    for (const auto& connection : open_connections()) connection->retire();
    deadline_->start(deadline, [this] { cut_off(kCutOffTime); });
    put_waiting();
  });
}

void SyslogInput::stop_listening(UniqueFunction<void()> drained) {
  drained_ = std::move(drained);
  listener_ = nullptr;
  port_ = nullptr;
}

void SyslogInput::cut_off(nanoseconds deadline) {
  deadline_->start(deadline, [this] {
    datagrams_->close();
    udp_.refused.add(std::exchange(waiting_, {}).size());
    for (const auto& [key, connection] : std::exchange(connections_, {})) connection->close();
    finish_drain_if_done();
  });
  for (const auto& connection : open_connections()) connection->drain();
  put_waiting();
}

std::vector<std::shared_ptr<SyslogInput::Connection>> SyslogInput::open_connections() const {
  std::vector<std::shared_ptr<Connection>> open;  // what is done with them may remove some
  open.reserve(connections_.size());
  for (const auto& [key, connection] : connections_) open.push_back(connection);
  return open;
}

void SyslogInput::finish_drain_if_done() {
  if (!drained_ || !connections_.empty() || !waiting_.empty() || datagrams_->busy()) return;
  deadline_->cancel();
  // Behind what was posted before with a `this` in it.
  loop_.post([drained = std::exchange(drained_, nullptr)]() mutable { drained(); });
}

}  // namespace spillway::server
