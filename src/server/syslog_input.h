// The broker's syslog input, over TCP and UDP (broker/syslog.h). Neither has an acknowledgement.
// Over TCP a sender is held back by not reading from it while what it sent before is not in the
// spool, so that it loses at most what was under way when the broker or it ends. Over UDP nobody
// can be held back: what arrives while kWaitingBytesMax wait for the spool is dropped and counted,
// and what the system drops before is not even that.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "broker/input_metrics.h"
#include "broker/spool.h"
#include "broker/spool_writer.h"
#include "io/asio_loop.h"

namespace spillway::server {

// On one loop. What it is handed outlives it.
class SyslogInput {
 public:
  static constexpr std::size_t kConnectionsMax = 1000;
  static constexpr std::size_t kWaitingBytesMax = std::size_t{4} << 20;

  // `stream`: of the spool, as opened.
  SyslogInput(io::AsioLoop& loop, broker::Spool& spool, std::string stream,
              metrics::Registry& metrics);
  // The loop doesn't run any more.
  ~SyslogInput();

  // Before the loop runs. Errors as of io::AsioLoop.
  Status listen_tcp(const std::string& address);
  Status listen_udp(const std::string& address);

  // From any thread, once: takes no more, and calls `drained` on the loop when what was read is in
  // the spool, or `deadline` is over.
  void drain(nanoseconds deadline, UniqueFunction<void()> drained);

 private:
  class Connection;

  void accept(std::unique_ptr<io::ByteStream> stream);
  void remove(Connection& connection);
  void take_datagram(std::string_view datagram, std::string_view peer);
  void put_waiting();
  void finish_drain_if_done();

  io::AsioLoop& loop_;
  broker::Spool& spool_;
  const std::string stream_;
  broker::InputMetrics tcp_;
  broker::InputMetrics udp_;
  metrics::Counter& refused_connections_;
  std::unique_ptr<io::Listener> listener_;
  std::unordered_map<Connection*, std::shared_ptr<Connection>> connections_;
  std::unique_ptr<io::DatagramPort> port_;
  const std::shared_ptr<broker::SpoolWriter> datagrams_;
  std::vector<broker::InputRecord> waiting_;  // for datagrams_
  std::size_t waiting_bytes_ = 0;
  const std::unique_ptr<io::Timer> deadline_;
  UniqueFunction<void()> drained_;  // while draining
};

}  // namespace spillway::server
