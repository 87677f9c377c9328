// The broker's StatsD input, over UDP. Nothing is acknowledged and nobody can be held back: what
// the system drops before it is read, nobody knows of.
#pragma once

#include <memory>
#include <string>

#include "broker/statsd_intake.h"
#include "io/asio_loop.h"
#include "server/port_input.h"

namespace spillway::server {

// On one loop. What it is handed outlives it.
class StatsdInput final : public PortInput {
 public:
  StatsdInput(io::AsioLoop& loop, broker::StatsdIntake::Options options, std::string address,
              broker::Spool& spool, metrics::Registry& metrics);
  ~StatsdInput() override;

  Task<Status> open(io::EventLoop* caller) override;
  void set_streams(const InputStreams& streams) override;
  // The interval ends then.
  void drain(nanoseconds deadline, UniqueFunction<void()> drained) override;

 private:
  Status listen();

  io::AsioLoop& loop_;
  const std::string address_;
  broker::StatsdIntake intake_;
  std::unique_ptr<io::DatagramPort> port_;
};

}  // namespace spillway::server
