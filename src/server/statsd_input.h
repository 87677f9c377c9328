// The broker's StatsD inputs, over UDP and over TCP. Nothing is acknowledged. Over UDP nobody can
// be held back: what the system drops before it is read, nobody knows of.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "broker/statsd_intake.h"
#include "io/asio_loop.h"
#include "server/port_input.h"
#include "server/tcp_input.h"

namespace spillway::server {

// For a TcpInput on the intake's loop: a line is taken when it is added up. The intake outlives
// them.
TcpInput::MakeReader statsd_readers(broker::StatsdIntake& intake);

// On the intake's loop. What it is handed outlives it.
class StatsdUdpInput final : public PortInput {
 public:
  StatsdUdpInput(io::AsioLoop& loop, std::string address, broker::StatsdIntake& intake);
  ~StatsdUdpInput() override;

  Task<Status> open(io::EventLoop* caller) override;
  void set_streams(const InputStreams&) override {}  // the intake has it
  std::optional<std::size_t> connections() const override { return std::nullopt; }
  // The intake goes on.
  void drain(nanoseconds deadline, UniqueFunction<void()> drained) override;

 private:
  Status listen();

  io::AsioLoop& loop_;
  const std::string address_;
  broker::StatsdIntake& intake_;
  std::unique_ptr<io::DatagramPort> port_;
};

}  // namespace spillway::server
