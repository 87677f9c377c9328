#include "server/statsd_input.h"

#include <utility>

#include "io/on_loop.h"

namespace spillway::server {

StatsdInput::StatsdInput(io::AsioLoop& loop, broker::StatsdIntake::Options options,
                         std::string address, broker::Spool& spool, metrics::Registry& metrics)
    : loop_(loop),
      address_(std::move(address)),
      intake_(std::move(options), {loop, spool, metrics}) {}

StatsdInput::~StatsdInput() = default;

Task<Status> StatsdInput::open(io::EventLoop* caller) {
  auto listening = io::at_loop<Status>(caller, &loop_, [this] { return listen(); });
  auto opened = co_await listening;
  co_return opened;
}

Status StatsdInput::listen() {
  SPILLWAY_ASSIGN(
      port_, loop_.receive_datagrams(address_, [this](std::string_view datagram, std::string_view) {
        intake_.take(datagram);
      }));
  intake_.start();
  return {};
}

void StatsdInput::set_streams(const InputStreams& streams) {
  loop_.post([this, stream = streams.statsd] { intake_.set_stream(stream); });
}

void StatsdInput::drain(nanoseconds deadline, UniqueFunction<void()> drained) {
  loop_.post([this] { port_ = nullptr; });
  intake_.drain(deadline, std::move(drained));
}

}  // namespace spillway::server
