// An input of the broker over TCP whose protocol has no acknowledgement (syslog, StatsD). A sender
// is held back by not reading from it while what it sent before is not taken, so that it loses at
// most what was under way when the broker or it ends.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "io/asio_loop.h"
#include "metrics/registry.h"
#include "server/port_input.h"

namespace spillway::server {

// What is made of one sender's bytes. On the input's loop.
class SenderReader {
 public:
  enum class End {
    kWhole,   // the sender ended it
    kBroken,  // the connection is gone
    kCutOff,  // we read no more
  };
  // Whether a whole message was in what was taken. Called from within, or later.
  using Taken = UniqueFunction<void(bool heard)>;

  virtual ~SenderReader() = default;
  // One call at a time, of this and end(), which is the last.
  virtual void take(std::string_view bytes, Taken taken) = 0;
  virtual void end(End end, Taken taken) = 0;
  // What it takes from now on goes there.
  virtual void set_streams(const InputStreams& streams) = 0;
  // Gives up what it hasn't taken; its Taken isn't called.
  virtual void close() = 0;
};

// On one loop. What it is handed outlives it.
class TcpInput final : public PortInput {
 public:
  // At this many, a new connection takes the place of the one that has sent no whole message for
  // longest, if that is kQuietTime or more; else it is closed.
  static constexpr std::size_t kConnectionsMax = 1000;
  static constexpr nanoseconds kQuietTime = seconds(5);
  // Beyond kConnectionsMax: ended, while what was read of them is not taken.
  static constexpr std::size_t kLeavingMax = 100;
  // For what was read of senders that were cut off to be taken.
  static constexpr nanoseconds kCutOffTime = seconds(1);

  // `peer`: its address, without the port.
  using MakeReader = std::function<std::unique_ptr<SenderReader>(const std::string& peer,
                                                                 const InputStreams& streams)>;

  // `name`: of the input, in its metrics.
  TcpInput(io::AsioLoop& loop, std::string address, const std::string& name, MakeReader make_reader,
           InputStreams streams, metrics::Registry& metrics);
  ~TcpInput() override;

  Task<Status> open(io::EventLoop* caller) override;
  void set_streams(const InputStreams& streams) override;
  std::optional<std::size_t> connections() const override { return open_.load(); }
  // What was read by then is taken.
  void drain(nanoseconds deadline, UniqueFunction<void()> drained) override;
  // Senders learn by the end of our stream that they are to go elsewhere, and are read until they
  // end theirs; when `deadline` is over they are cut off as by drain().
  void retire(nanoseconds deadline, UniqueFunction<void()> retired) override;

 private:
  class Connection;

  Status listen();
  void accept(std::unique_ptr<io::ByteStream> stream);
  // For one more connection; closes the quietest where there are too many. False: it can't.
  bool make_room();
  void remove(Connection& connection);
  std::vector<std::shared_ptr<Connection>> open_connections() const;
  void stop_listening(UniqueFunction<void()> drained);
  void cut_off(nanoseconds deadline);
  void finish_drain_if_done();

  io::AsioLoop& loop_;
  const std::string address_;
  const MakeReader make_reader_;
  InputStreams streams_;  // of what is read from now on
  metrics::Counter& refused_connections_;
  std::unique_ptr<io::Listener> listener_;
  std::unordered_map<Connection*, std::shared_ptr<Connection>> connections_;
  std::atomic<std::size_t> open_{0};  // as many
  const std::unique_ptr<io::Timer> deadline_;
  UniqueFunction<void()> drained_;  // while draining
};

// An address without its port and brackets.
std::string host_of(std::string_view peer);

}  // namespace spillway::server
