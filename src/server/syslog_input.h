// The broker's syslog inputs (broker/syslog.h), over TCP and over UDP. Neither has an
// acknowledgement. Over UDP nobody can be held back: what arrives while kWaitingBytesMax wait for
// the spool is dropped and counted, and what the system drops before is not even that.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/input_metrics.h"
#include "broker/spool.h"
#include "broker/spool_writer.h"
#include "io/asio_loop.h"
#include "server/port_input.h"
#include "server/tcp_input.h"

namespace spillway::server {

// For a TcpInput on that loop: a message is taken when it is durable in the spool. What they are
// handed outlives them.
TcpInput::MakeReader syslog_readers(io::EventLoop& loop, broker::Spool& spool,
                                    metrics::Registry& metrics);

// On one loop. What it is handed outlives it.
class SyslogUdpInput final : public PortInput {
 public:
  static constexpr std::size_t kWaitingBytesMax = std::size_t{4} << 20;

  SyslogUdpInput(io::AsioLoop& loop, broker::Spool& spool, std::string address,
                 const InputStreams& streams, metrics::Registry& metrics);
  ~SyslogUdpInput() override;

  Task<Status> open(io::EventLoop* caller) override;
  void set_streams(const InputStreams& streams) override;
  std::optional<std::size_t> connections() const override { return std::nullopt; }
  // What was read by then is put into the spool.
  void drain(nanoseconds deadline, UniqueFunction<void()> drained) override;
  // The same, in TcpInput::kCutOffTime more.
  void retire(nanoseconds deadline, UniqueFunction<void()> retired) override;

 private:
  Status listen();
  void take(std::string_view datagram, std::string_view peer);
  void put_waiting();
  void finish_drain_if_done();

  io::AsioLoop& loop_;
  const std::string address_;
  broker::InputMetrics counts_;
  std::unique_ptr<io::DatagramPort> port_;
  const std::shared_ptr<broker::SpoolWriter> writer_;
  std::vector<broker::InputRecord> waiting_;  // for writer_
  std::size_t waiting_bytes_ = 0;
  const std::unique_ptr<io::Timer> deadline_;
  UniqueFunction<void()> drained_;  // while draining
};

}  // namespace spillway::server
