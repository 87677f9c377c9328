// One target as all senders see it: whether it takes records, which of its streams are there, and
// the figures. It says once that the target is down, or that it denies what it is asked, and once
// that it is back.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/task.h"
#include "broker/target.h"
#include "io/event_log.h"
#include "io/event_loop.h"
#include "metrics/owned_gauge.h"
#include "metrics/registry.h"

namespace spillway::broker {

// Of the last kPutsRemembered puts.
struct PutLatency {
  nanoseconds p50{0};
  nanoseconds p99{0};
};

// On the loop's thread, but for what is marked. What it is handed outlives it.
class TargetLink {
 public:
  static constexpr std::size_t kPutsRemembered = 256;
  // Records given up that the log is told of, one by one, in each kToldWithin.
  static constexpr std::uint64_t kToldMax = 20;
  static constexpr nanoseconds kToldWithin = seconds(60);
  static constexpr std::uint64_t kOnTrustMax = 100;
  static constexpr nanoseconds kCanaryEvery = seconds(1);
  static constexpr nanoseconds kPrepareRetryFirst = milliseconds(200);
  static constexpr nanoseconds kPrepareRetryMax = seconds(1);
  // Of a target that refuses: somebody must change a policy first, and it audits each request.
  static constexpr nanoseconds kDeniedRetryMax = seconds(5);

  TargetLink(io::EventLoop& loop, Target& target, std::string canary_stream, io::EventLog& log,
             metrics::Registry& metrics);

  const Target& target() const { return target_; }
  // Whether the stream is there, as far as is known.
  bool prepared(const std::string& stream) const;
  // Whether it is being prepared, for whoever asked first.
  bool preparing(const std::string& stream) const;
  // Prepares the stream, one call of this at a time for each, and after a failure not before a
  // delay that doubles: however many senders ask, the target is asked once. False: it is not there
  // yet.
  Task<bool> prepare(std::string stream);
  // Entries that failed are an outcome, not an error. kNotFound: it must be prepared again.
  // kClosed: nobody waits for it any more.
  Task<Result<client::PutRecordsResult>> put(std::string stream,
                                             std::vector<client::PutEntry> entries);
  // Whether what the target refuses alone is given up. Not before it has taken anything since the
  // start, or since it moved: it is then likelier to be the wrong target than the record to be a
  // wrong one. Where it took the canary of try_canary() alone, no more than kOnTrustMax records
  // are.
  bool gives_up() const { return has_taken_ || (took_canary_ && on_trust_ < kOnTrustMax); }
  // A target that refuses what every shard begins with takes nothing, whatever lies behind: it is
  // asked to take a small record in the canaries' stream, with this origin, once a second at most.
  Task<void> try_canary(std::optional<stream::Origin> origin);
  // The target won't ever take this record. Counted, and told in the log, where there is room.
  void give_up(const std::string& stream, const client::PutEntry& entry, std::string_view why);
  // Called once, when the first records are acknowledged.
  void on_flow(UniqueFunction<void()> flows) { flows_ = std::move(flows); }
  // The target is at another place: what was learned of the old one doesn't hold there.
  void moved();
  // Ends the calls under way with kClosed, from within, and each later one at once.
  void close();

  // Whether the target takes records; the error says why not. Any thread.
  Status status() const;
  PutLatency latency() const;                                      // any thread
  std::uint64_t acknowledged() const { return records_.value(); }  // records; any thread

 private:
  enum class State { kPreparing, kPrepared, kFailed };
  struct Stream {
    State state = State::kPreparing;
    nanoseconds retry = kPrepareRetryFirst;  // from the next failure on
    MonoTime not_before{};                   // once it has failed
  };

  void note(const Result<client::PutRecordsResult>& result, std::size_t data_bytes,
            nanoseconds took);
  void note_failure(const Error& error);
  void note_success();
  void set_status(Status status);

  io::EventLoop& loop_;
  Target& target_;
  const std::string canary_stream_;
  io::EventLog& log_;
  metrics::Counter& records_;
  metrics::Counter& bytes_;
  metrics::Counter& failures_;
  metrics::Counter& given_up_;
  metrics::Histogram& put_seconds_;
  metrics::OwnedGauge up_;
  std::map<std::string, Stream, std::less<>> streams_;
  UniqueFunction<void()> flows_;
  bool closed_ = false;
  MonoTime next_canary_{};
  bool took_canary_ = false;
  std::uint64_t place_ = 0;     // rises when it moves
  bool has_taken_ = false;      // records, there
  std::uint64_t on_trust_ = 0;  // records given up before the target had taken any
  std::optional<MonoTime> failing_since_;
  bool denial_told_ = false;  // since then
  MonoTime told_since_{};
  std::uint64_t told_ = 0;  // records given up, since then
  std::uint64_t untold_ = 0;

  mutable std::mutex mutex_;
  Status status_;
  std::deque<nanoseconds> durations_;
};

}  // namespace spillway::broker
