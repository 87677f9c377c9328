#include "cli/loopback_limit.h"

#include <array>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "io/asio_loop.h"
#include "io/loop_threads.h"

namespace spillway::cli {

namespace {

constexpr std::size_t kConnections = 64;
constexpr std::size_t kRequestBytes = 800;
constexpr std::size_t kAnswerBytes = 320;
constexpr auto kTime = milliseconds(500);

// Sends `send` bytes whenever `expect` bytes have come; counts that.
class Peer {
 public:
  Peer(std::unique_ptr<io::ByteStream> stream, std::size_t expect, std::size_t send)
      : stream_(std::move(stream)), expect_(expect), bytes_(send, 'x') {}

  std::uint64_t exchanges() const { return exchanges_; }
  void receive() {
    stream_->read(buffer_, [this](Result<std::size_t> got) {
      if (!got.ok() || *got == 0) return;  // the measurement has ended
      received_ += *got;
      if (received_ < expect_) return receive();
      received_ -= expect_;
      ++exchanges_;
      send();
    });
  }
  void send() {
    part_ = bytes_;
    stream_->write(std::span(&part_, 1), [this](Status sent) {
      if (sent.ok()) receive();
    });
  }

 private:
  const std::unique_ptr<io::ByteStream> stream_;
  const std::size_t expect_;
  const std::string bytes_;
  std::string_view part_;
  std::array<char, 4096> buffer_;
  std::size_t received_ = 0;
  std::uint64_t exchanges_ = 0;
};

// Answers on a loop per core.
class Answering {
 public:
  Answering() : threads_(io::core_count()) {}
  // The loops end before the peers do, which their callbacks name.
  ~Answering() { threads_.stop_and_join(); }

  Result<std::string> start() {
    std::string address = "127.0.0.1:0";
    for (io::EventLoop* loop : threads_.loops()) {
      SPILLWAY_ASSIGN(auto listener,
                      loop->listen(address, true, [this](std::unique_ptr<io::ByteStream> stream) {
                        auto peer =
                            std::make_unique<Peer>(std::move(stream), kRequestBytes, kAnswerBytes);
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
  io::LoopThreads threads_;
  std::vector<std::unique_ptr<io::Listener>> listeners_;
  std::mutex mutex_;  // peers_
  std::vector<std::unique_ptr<Peer>> peers_;
};

}  // namespace

Result<double> loopback_requests_per_s() {
  Answering answering;
  SPILLWAY_ASSIGN(const std::string address, answering.start());
  io::AsioLoop loop;
  std::vector<std::unique_ptr<Peer>> peers;
  std::optional<Error> failed;
  for (std::size_t i = 0; i < kConnections; ++i) {
    loop.connect(address, [&](Result<std::unique_ptr<io::ByteStream>> stream) {
      if (!stream.ok()) {
        failed = std::move(stream).error();
        return;
      }
      peers.push_back(std::make_unique<Peer>(*std::move(stream), kAnswerBytes, kRequestBytes));
      peers.back()->send();
    });
  }
  const auto timer = loop.make_timer();
  const MonoTime begin = loop.mono_now();
  timer->start(kTime, [&] { loop.stop(); });
  loop.run();
  if (failed) return *std::move(failed);
  std::uint64_t exchanges = 0;
  for (const auto& peer : peers) exchanges += peer->exchanges();
  return static_cast<double>(exchanges) /
         std::chrono::duration<double>(loop.mono_now() - begin).count();
}

}  // namespace spillway::cli
