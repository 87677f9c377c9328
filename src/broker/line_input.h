// Standard input as records: each line that isn't empty is one, its bytes as they came without the
// newline. It reads on when what it read is durable in the spool, so that whoever writes is held
// back while the spool takes nothing.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/input_metrics.h"
#include "broker/spool_writer.h"
#include "io/event_log.h"
#include "io/event_loop.h"
#include "io/standard_input.h"

namespace spillway::broker {

// On the loop's thread, but where said otherwise. What it is handed outlives it.
class LineInput {
 public:
  // Of a line; what goes beyond is left out, and counted as malformed.
  static constexpr std::size_t kLineBytesMax = 1'000'000;

  struct Parts {
    io::EventLoop& loop;
    Spool& spool;
    io::EventLog& log;
    metrics::Registry& metrics;
  };

  // `key`: the partition key of all lines, which keeps them in order.
  LineInput(std::unique_ptr<io::StandardInput> input, std::string stream, std::string key,
            Parts parts);

  // Calls `ended` when the input has ended and all of it is durable; not after drain().
  void start(UniqueFunction<void()> ended);
  // From any thread, once: reads no more, and calls `drained` on the loop when the lines that were
  // read are durable, or `deadline` is over. A line of which only the beginning came is none: it is
  // counted as refused.
  void drain(nanoseconds deadline, UniqueFunction<void()> drained);

 private:
  void read();
  void drain_now(nanoseconds deadline, UniqueFunction<void()> drained);
  void take(const Result<std::string>& got);
  void append(std::string_view part);
  void end_line(std::vector<InputRecord>& records);
  void put(std::vector<InputRecord> records);
  void go_on();
  void end();

  std::unique_ptr<io::StandardInput> input_;  // nullptr: it is not read any more
  const std::string key_;
  const Parts parts_;
  InputMetrics counts_;
  const std::shared_ptr<SpoolWriter> writer_;
  const std::unique_ptr<io::Timer> deadline_;
  UniqueFunction<void()> ended_;
  UniqueFunction<void()> drained_;
  std::string begun_;  // a line whose end hasn't come
  bool cut_ = false;   // more of it came than there is room for
  bool reading_ = false;
};

}  // namespace spillway::broker
