// StatsD on its way into the spool, by whatever port it comes: lines are added up
// (statsd_metrics.h), and each interval's records are put when it ends. While the spool doesn't
// take those of the one before, the interval goes on, and its records say how long it was: nothing
// is lost of it, and nothing piles up.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/input_metrics.h"
#include "broker/spool_writer.h"
#include "broker/statsd_metrics.h"
#include "io/event_loop.h"

namespace spillway::broker {

// On the loop's thread, but where said otherwise. What it is handed outlives it.
class StatsdIntake {
 public:
  // Of the records that the spool is given at once.
  static constexpr std::size_t kPutBytesMax = std::size_t{1} << 20;

  struct Options {
    std::string stream;  // of the spool, as opened
    std::string host;    // this machine, in each record
    nanoseconds interval = seconds(10);
    std::uint64_t seed = 0;
  };
  struct Parts {
    io::EventLoop& loop;
    Spool& spool;
    metrics::Registry& metrics;
  };
  StatsdIntake(Options options, Parts parts);

  // Begins the first interval. Once.
  void start();
  // Where the records of this interval and those to come go, of the spool, as opened.
  void set_stream(std::string stream) { writer_->set_stream(std::move(stream)); }
  // Each line that isn't empty.
  void take(std::string_view lines);
  // Lines that were too long, or of which only a part came: counts them as malformed.
  void refuse(std::size_t lines) { counts_.malformed.add(lines); }
  // From any thread, once: ends the interval, and calls `drained` on the loop when its records are
  // durable, or `deadline` is over. Nothing is taken after that.
  void drain(nanoseconds deadline, UniqueFunction<void()> drained);

 private:
  void take_line(std::string_view line);
  void wait();
  void end_interval();
  void put();
  void go_on();
  void give_up();
  void finish_drain();

  const Options options_;
  io::EventLoop& loop_;
  InputMetrics counts_;
  metrics::Counter& samples_;
  metrics::Counter& dropped_samples_;
  StatsdMetrics metrics_;
  MonoTime begun_{};                  // of the interval
  std::vector<InputRecord> waiting_;  // for writer_, the last one first
  const std::shared_ptr<SpoolWriter> writer_;
  const std::unique_ptr<io::Timer> timer_;
  UniqueFunction<void()> drained_;  // while draining
};

}  // namespace spillway::broker
