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
#include "server/port_input.h"

namespace spillway::server {

// On one loop. What it is handed outlives it.
class SyslogInput final : public PortInput {
 public:
  // At this many, a new connection takes the place of the one that has sent no whole message for
  // longest, if that is kQuietTime or more; else it is closed.
  static constexpr std::size_t kConnectionsMax = 1000;
  static constexpr nanoseconds kQuietTime = seconds(5);
  // Beyond kConnectionsMax: ended, while what was read of them is not in the spool.
  static constexpr std::size_t kLeavingMax = 100;
  static constexpr std::size_t kWaitingBytesMax = std::size_t{4} << 20;
  // For what was read of senders that were cut off to become durable.
  static constexpr nanoseconds kCutOffTime = seconds(1);

  enum class Transport { kTcp, kUdp };

  SyslogInput(io::AsioLoop& loop, broker::Spool& spool, Transport transport, std::string address,
              const InputStreams& streams, metrics::Registry& metrics);
  ~SyslogInput() override;

  Task<Status> open(io::EventLoop* caller) override;
  void set_streams(const InputStreams& streams) override;
  // What was read by then is put into the spool.
  void drain(nanoseconds deadline, UniqueFunction<void()> drained) override;
  // Senders over TCP learn by the end of our stream that they are to go elsewhere, and are read
  // until they end theirs; when `deadline` is over they are cut off as by drain().
  void retire(nanoseconds deadline, UniqueFunction<void()> retired) override;

 private:
  class Connection;

  Status listen();
  void accept(std::unique_ptr<io::ByteStream> stream);
  // For one more connection; closes the quietest where there are too many. False: it can't.
  bool make_room();
  void remove(Connection& connection);
  void take_datagram(std::string_view datagram, std::string_view peer);
  void put_waiting();
  std::vector<std::shared_ptr<Connection>> open_connections() const;
  void stop_listening(UniqueFunction<void()> drained);
  void cut_off(nanoseconds deadline);
  void finish_drain_if_done();

  io::AsioLoop& loop_;
  broker::Spool& spool_;
  const Transport transport_;
  const std::string address_;
  std::string stream_;  // of what is read from now on
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
