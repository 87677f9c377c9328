// How a target is: a breaker that is told of every request and every canary, and says whether the
// target is fit to be used. docs/failover.md has its rules in a user's words.
//
// Two ways lead from closed to open. A target that answers nothing any more (it refuses, resets,
// or lets requests wait beyond their deadline) is found within one and a half deadlines. A failure
// counts towards that only if nothing was answered since its request was sent: a lost connection
// among many that work doesn't, and neither does a restart that is over within a deadline.
// A target that answers, but badly (slowly, with failed entries, without letting itself be read),
// is found by the slices of its window (health_window.h).
//
// The way back is longer. An open target is left alone for a while that doubles each time, but for
// canaries; it is half-open when the last of them went well, takes a bounded number of requests
// then, and is closed when it was clearly good for some slices in a row.
//
// A canary is one small record that the caller writes to the target, and then reads back. The
// breaker says when the next is due: soon where there is a suspicion, once a second where nothing
// else is sent, seldom while there is traffic, which can't tell whether the target can be read.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "broker/health_window.h"

namespace spillway::broker {

struct HealthSettings {
  // What the caller gives a request; it is judged by this, whether the caller gives it up or not. A
  // target that answers nothing is open one and a half of it after the first request that failed
  // was sent, and after one already if so many failed in a row (each sent when the one before had).
  nanoseconds request_deadline = seconds(1);
  std::uint32_t failures_in_a_row = 3;

  nanoseconds window = seconds(10);  // within which a target that answers badly is open
  std::uint32_t bad_slices = 6;      // of the window's ten
  SliceLimits limits;
  nanoseconds slow_after = milliseconds(500);  // shorter than request_deadline
  std::uint32_t unread_canaries = 3;           // in a row

  nanoseconds hold_first = seconds(10);  // open at least so long, doubled each time
  nanoseconds hold_max = std::chrono::minutes(10);
  nanoseconds calm_after =
      std::chrono::minutes(30);   // closed for so long, one doubling is forgotten
  std::uint32_t good_slices = 5;  // in a row, to be closed again
  std::uint32_t probes_max = 4;   // requests at a time while it isn't closed

  nanoseconds canary_idle = seconds(1);  // after the last request
  nanoseconds canary_busy = seconds(5);  // after the last canary, whatever is sent
};

enum class BreakerState { kClosed, kHalfOpen, kOpen };
std::string_view to_string(BreakerState state);

// What a breaker says of its target.
struct TargetHealth {
  BreakerState state = BreakerState::kClosed;
  // It stores records, be it badly: of use where no target is closed.
  bool serves = false;
  MonoTime since{};  // of the state
  std::string reason;
};

// Of a request that was answered. Entries that are neither throttled nor failed are stored. A
// request that is refused as a whole has all its entries failed (or throttled).
struct Answer {
  std::uint32_t throttled = 0;
  std::uint32_t failed = 0;
  std::string_view detail;  // of a failure, for people: "InternalFailure: …"
};

enum class CanaryReading {
  kRead,
  kBehind,  // the target answered, and what was written wasn't there in time
  kFailed,
};

// Judges whatever requests it is told of: those to one stream of a target, or to the whole of it.
// A value: copies go separate ways, equal events give equal states. Times that go back are taken
// for the latest one. Call advance() every kTick at least. One thread.
class Breaker {
 public:
  static constexpr nanoseconds kTick = milliseconds(100);
  // Requests that are watched for their deadline; others are judged when the caller gives them up.
  static constexpr std::size_t kWatchedMax = 256;

  // A request under way. Each has exactly one end: answered(), failed() or given_up().
  struct Request {
    std::uint64_t number = 0;
    std::uint32_t entries = 0;
    MonoTime sent{};
    bool canary = false;
    bool watched = false;
  };

  Breaker(const HealthSettings& settings, MonoTime now);

  Request sent(std::uint32_t entries, MonoTime now);
  // The writing of a canary; only when next_canary() said that it is due.
  Request canary_sent(MonoTime now);
  void answered(const Request& request, const Answer& answer, MonoTime now);
  // Without an answer: refused (no connection, no TLS), reset, or beyond the deadline.
  void failed(const Request& request, std::string_view detail, MonoTime now);
  // Without any evidence: the caller no longer wanted it.
  void given_up(const Request& request, MonoTime now);
  // What came of reading a canary whose writing went well.
  void canary_read(CanaryReading reading, std::string_view detail, MonoTime now);
  void advance(MonoTime now);

  BreakerState state() const { return state_; }
  TargetHealth health() const;
  // Whether one more request may be sent to the target, where it is to be used.
  bool may_send() const;
  // When to write the next canary (in the past: now); nullopt while the last one is being written.
  std::optional<MonoTime> next_canary() const;
  // Until when an open target is left alone.
  MonoTime held_until() const { return held_until_; }

 private:
  struct Watched {
    MonoTime sent;
    std::uint32_t entries;
  };
  // Failures since the last answer.
  struct Silence {
    MonoTime since;              // when the first of the requests was sent
    MonoTime latest;             // and the last one
    std::uint64_t next_request;  // the number that the next one to count has at least
    std::uint32_t failures;
    std::string detail;
  };

  Request begin(std::uint32_t entries, bool canary, MonoTime now);
  // Whether its deadline had not been counted as a failure before.
  bool end(const Request& request);
  void note_silence(std::uint64_t number, MonoTime sent, std::string_view detail);
  void look_at_deadlines();
  bool waits_for(nanoseconds at_least) const;
  void judge();
  std::optional<std::string> fault() const;
  std::optional<std::string> silence_fault() const;
  std::optional<std::string> unread_fault(std::uint32_t at_least) const;
  void open(std::string reason);
  void set(BreakerState state, std::string reason);

  HealthSettings settings_;
  MonoTime now_;
  BreakerState state_ = BreakerState::kClosed;
  MonoTime since_;
  std::string reason_ = "nothing has failed yet";

  std::uint64_t next_request_ = 1;
  std::map<std::uint64_t, Watched> watched_;
  std::uint32_t under_way_ = 0;        // but for canaries
  std::uint64_t unanswered_from_ = 1;  // requests sent after the last answer
  std::optional<Silence> silence_;
  std::optional<MonoTime> stored_at_;
  HealthWindow window_;
  std::string detail_;  // of the last entry that failed

  MonoTime sent_at_;  // the last request or canary
  std::optional<MonoTime> canary_at_;
  bool canary_under_way_ = false;
  bool canary_went_well_ = false;  // the last one, since the state began
  std::uint32_t unread_ = 0;       // canaries in a row
  std::string unread_detail_;

  std::uint32_t doublings_ = 0;  // of the next hold, and one more
  MonoTime held_until_{};
};

}  // namespace spillway::broker
