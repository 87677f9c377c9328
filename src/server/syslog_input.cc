#include "server/syslog_input.h"

#include <utility>

#include "broker/syslog.h"
#include "io/on_loop.h"

namespace spillway::server {
namespace {

broker::InputRecord record_of(const broker::SyslogMessage& message, std::string_view peer,
                              WallTime now, broker::InputMetrics& counts) {
  auto record = broker::read_syslog(message, peer, now);
  if (record.malformed) counts.malformed.add();
  return {std::move(record.key), std::move(record.json)};
}

class SyslogReader final : public SenderReader {
 public:
  SyslogReader(io::EventLoop& loop, broker::Spool& spool, std::string peer, std::string stream,
               const broker::InputMetrics& counts)
      : loop_(loop),
        peer_(std::move(peer)),
        counts_(counts),
        writer_(std::make_shared<broker::SpoolWriter>(loop, spool, std::move(stream), counts_)) {}

  void take(std::string_view bytes, Taken taken) override {
    std::vector<broker::SyslogMessage> messages;
    framer_.take(bytes, messages);
    put(messages, std::move(taken));
  }

  void end(End end, Taken taken) override {
    std::vector<broker::SyslogMessage> rest;
    if (end == End::kCutOff)
      framer_.cut(rest);
    else  // a reset is an end like any other
      framer_.end(rest);
    put(rest, std::move(taken));
  }

  void set_streams(const InputStreams& streams) override { writer_->set_stream(streams.syslog); }
  void close() override { writer_->close(); }

 private:
  void put(const std::vector<broker::SyslogMessage>& messages, Taken taken) {
    if (messages.empty()) return taken(false);
    const WallTime now = loop_.wall_now();
    std::vector<broker::InputRecord> records;
    records.reserve(messages.size());
    for (const auto& message : messages) records.push_back(record_of(message, peer_, now, counts_));
    writer_->put(std::move(records), [taken = std::move(taken)]() mutable { taken(true); });
  }

  io::EventLoop& loop_;
  const std::string peer_;
  broker::InputMetrics counts_;
  broker::SyslogFramer framer_;
  const std::shared_ptr<broker::SpoolWriter> writer_;
};

}  // namespace

TcpInput::MakeReader syslog_readers(io::EventLoop& loop, broker::Spool& spool,
                                    metrics::Registry& metrics) {
  return [&loop, &spool, counts = broker::InputMetrics(metrics, "syslog_tcp")](
             const std::string& peer, const InputStreams& streams) {
    return std::make_unique<SyslogReader>(loop, spool, peer, streams.syslog, counts);
  };
}

SyslogUdpInput::SyslogUdpInput(io::AsioLoop& loop, broker::Spool& spool, std::string address,
                               const InputStreams& streams, metrics::Registry& metrics)
    : loop_(loop),
      address_(std::move(address)),
      counts_(metrics, "syslog_udp"),
      writer_(std::make_shared<broker::SpoolWriter>(loop, spool, streams.syslog, counts_)),
      deadline_(loop.make_timer()) {}

SyslogUdpInput::~SyslogUdpInput() = default;

Task<Status> SyslogUdpInput::open(io::EventLoop* caller) {
  auto listening = io::at_loop<Status>(caller, &loop_, [this] { return listen(); });
  auto opened = co_await listening;
  co_return opened;
}

Status SyslogUdpInput::listen() {
  SPILLWAY_ASSIGN(port_, loop_.receive_datagrams(
                             address_, [this](std::string_view datagram, std::string_view peer) {
                               take(datagram, peer);
                             }));
  return {};
}

void SyslogUdpInput::set_streams(const InputStreams& streams) {
  loop_.post([this, stream = streams.syslog] { writer_->set_stream(stream); });
}

void SyslogUdpInput::take(std::string_view datagram, std::string_view peer) {
  if (waiting_bytes_ >= kWaitingBytesMax) return counts_.refused.add();
  broker::SyslogMessage message;
  message.cut = datagram.size() > broker::kSyslogBytesMax;
  message.text = datagram.substr(0, broker::kSyslogBytesMax);
  while (message.text.ends_with('\n')) message.text.pop_back();
  if (message.text.empty()) return;
  waiting_.push_back(record_of(message, host_of(peer), loop_.wall_now(), counts_));
  waiting_bytes_ += waiting_.back().data.size();
  if (waiting_.size() == 1 && !writer_->busy()) loop_.post([this] { put_waiting(); });
}

void SyslogUdpInput::put_waiting() {
  if (waiting_.empty() || writer_->busy()) return finish_drain_if_done();
  waiting_bytes_ = 0;
  writer_->put(std::exchange(waiting_, {}), [this] { put_waiting(); });
}

void SyslogUdpInput::drain(nanoseconds deadline, UniqueFunction<void()> drained) {
  loop_.post([this, deadline, drained = std::move(drained)]() mutable {
    drained_ = std::move(drained);
    port_ = nullptr;
    deadline_->start(deadline, [this] {
      writer_->close();
      counts_.refused.add(std::exchange(waiting_, {}).size());
      finish_drain_if_done();
    });
    put_waiting();
  });
}

void SyslogUdpInput::retire(nanoseconds deadline, UniqueFunction<void()> retired) {
  drain(deadline + TcpInput::kCutOffTime, std::move(retired));
}

void SyslogUdpInput::finish_drain_if_done() {
  if (!drained_ || !waiting_.empty() || writer_->busy()) return;
  deadline_->cancel();
  // Behind what was posted before with a `this` in it.
  loop_.post([drained = std::exchange(drained_, nullptr)]() mutable { drained(); });
}

}  // namespace spillway::server
