#include "server/statsd_input.h"

#include <utility>

#include "broker/statsd_framer.h"
#include "io/on_loop.h"

namespace spillway::server {
namespace {

// It holds nobody back: what it takes is added up at once, also while the spool takes nothing.
class StatsdReader final : public SenderReader {
 public:
  explicit StatsdReader(broker::StatsdIntake& intake) : intake_(intake) {}

  void take(std::string_view bytes, Taken taken) override {
    bool heard = false;
    const std::size_t too_long = framer_.take(bytes, [&](std::string_view line) {
      intake_.take(line);
      heard = heard || !line.empty();
    });
    intake_.refuse(too_long);
    taken(heard);
  }

  // A beginning can look like a whole line: "a:1|c" may be that of "a:1|c|@0.1".
  void end(End end, Taken taken) override {
    if (end == End::kWhole)
      framer_.end([this](std::string_view line) { intake_.take(line); });
    else if (framer_.begun())
      intake_.refuse(1);
    taken(false);
  }

  void set_streams(const InputStreams&) override {}  // the intake has it
  void close() override {}

 private:
  broker::StatsdIntake& intake_;
  broker::StatsdFramer framer_;
};

}  // namespace

TcpInput::MakeReader statsd_readers(broker::StatsdIntake& intake) {
  return [&intake](const std::string&, const InputStreams&) {
    return std::make_unique<StatsdReader>(intake);
  };
}

StatsdUdpInput::StatsdUdpInput(io::AsioLoop& loop, std::string address,
                               broker::StatsdIntake& intake)
    : loop_(loop), address_(std::move(address)), intake_(intake) {}

StatsdUdpInput::~StatsdUdpInput() = default;

Task<Status> StatsdUdpInput::open(io::EventLoop* caller) {
  auto listening = io::at_loop<Status>(caller, &loop_, [this] { return listen(); });
  auto opened = co_await listening;
  co_return opened;
}

Status StatsdUdpInput::listen() {
  SPILLWAY_ASSIGN(
      port_, loop_.receive_datagrams(address_, [this](std::string_view datagram, std::string_view) {
        intake_.take(datagram);
      }));
  return {};
}

void StatsdUdpInput::drain(nanoseconds /*deadline*/, UniqueFunction<void()> drained) {
  loop_.post([this, drained = std::move(drained)]() mutable {
    port_ = nullptr;
    // Behind what was posted before with a `this` in it.
    loop_.post([drained = std::move(drained)]() mutable { drained(); });
  });
}

}  // namespace spillway::server
