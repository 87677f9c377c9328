#include "cli/loopback_limit.h"

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "io/asio_loop.h"
#include "io/loop_threads.h"

namespace spillway::cli {

namespace {

constexpr auto kTime = milliseconds(500);
constexpr std::size_t kReadBytes = 64 << 10;

struct Exchange {
  std::size_t connections;
  std::size_t request_bytes;
  std::size_t answer_bytes;
};
constexpr Exchange kSmall{64, 800, 320};
constexpr Exchange kLarge{20, 1, 4 << 20};

// Sends `bytes`, which must outlive it, whenever `expect` bytes have come; counts what came.
class Peer {
 public:
  Peer(std::unique_ptr<io::ByteStream> stream, std::size_t expect, std::string_view bytes)
      : stream_(std::move(stream)), expect_(expect), bytes_(bytes), buffer_(kReadBytes) {}

  std::uint64_t received() const { return received_; }
  void receive() {
    stream_->read(buffer_, [this](Result<std::size_t> got) {
      if (!got.ok() || *got == 0) return;  // the measurement has ended
      received_ += *got;
      if (received_ < next_at_) return receive();
      next_at_ += expect_;
      send();
    });
  }
  void send() {
    stream_->write(std::span(&bytes_, 1), [this](Status sent) {
      if (sent.ok()) receive();
    });
  }

 private:
  const std::unique_ptr<io::ByteStream> stream_;
  const std::size_t expect_;
  const std::string_view bytes_;
  std::vector<char> buffer_;
  std::uint64_t received_ = 0;
  std::uint64_t next_at_ = expect_;
};

// Answers on a loop per core.
class Answering {
 public:
  explicit Answering(const Exchange& exchange)
      : request_bytes_(exchange.request_bytes),
        answer_(exchange.answer_bytes, 'x'),
        threads_(io::core_count()) {}
  // The loops end before the peers do, which their callbacks name.
  ~Answering() { threads_.stop_and_join(); }

  Result<std::string> start() {
    std::string address = "127.0.0.1:0";
    for (io::EventLoop* loop : threads_.loops()) {
      SPILLWAY_ASSIGN(auto listener,
                      loop->listen(address, true, [this](std::unique_ptr<io::ByteStream> stream) {
                        auto peer =
                            std::make_unique<Peer>(std::move(stream), request_bytes_, answer_);
                        peer->receive();
                        const std::lock_guard lock(mutex_);
                        peers_.push_back(std::move(peer));
                      }));
      address = fmt::format("127.0.0.1:{}", listener->port());
      listeners_.push_back(std::move(listener));
    }
    threads_.start();
    return address;
  }

 private:
  const std::size_t request_bytes_;
  const std::string answer_;
  io::LoopThreads threads_;
  std::vector<std::unique_ptr<io::Listener>> listeners_;
  std::mutex mutex_;  // peers_
  std::vector<std::unique_ptr<Peer>> peers_;
};

// Bytes of answers a second.
Result<double> measure(const Exchange& exchange) {
  Answering answering(exchange);
  SPILLWAY_ASSIGN(const std::string address, answering.start());
  const std::string request(exchange.request_bytes, 'x');
  io::AsioLoop loop;
  std::vector<std::unique_ptr<Peer>> peers;
  std::optional<Error> failed;
  for (std::size_t i = 0; i < exchange.connections; ++i) {
    loop.connect(address, [&](Result<std::unique_ptr<io::ByteStream>> stream) {
      if (!stream.ok()) {
        failed = std::move(stream).error();
        return;
      }
      peers.push_back(std::make_unique<Peer>(*std::move(stream), exchange.answer_bytes, request));
      peers.back()->send();
    });
  }
  const auto timer = loop.make_timer();
  const MonoTime begin = loop.mono_now();
  timer->start(kTime, [&] { loop.stop(); });
  loop.run();
  if (failed) return *std::move(failed);
  std::uint64_t received = 0;
  for (const auto& peer : peers) received += peer->received();
  return static_cast<double>(received) /
         std::chrono::duration<double>(loop.mono_now() - begin).count();
}

}  // namespace

Result<LoopbackLimits> measure_loopback() {
  SPILLWAY_ASSIGN(const double small, measure(kSmall));
  SPILLWAY_ASSIGN(const double large, measure(kLarge));
  return LoopbackLimits{small / static_cast<double>(kSmall.answer_bytes), large / 1e9};
}

}  // namespace spillway::cli
