// The audit log: who asked for what and what became of it, as JSON lines in DATA/audit
// (docs/formats/audit-log.md). Every request that is denied is there, and every one of the control
// plane.
//
// Requests never wait for it: lines go through a bounded queue to a worker that writes them, four
// times a second, and syncs once a second. What finds the queue full is dropped, counted, and told
// in the log itself. So is what comes from nobody that is known and is denied, beyond
// kAuditUnknownRate: else anybody could push all the others out of the log. A file that has reached
// its size becomes audit.log.1, that one audit.log.2, and so on; the oldest goes.
//
// A line is one object: "v" (the format's version, 1), "time" (RFC 3339, UTC, milliseconds),
// "request_id", "key", "user", "authenticated", "peer", "secure", "action", "resource", "outcome"
// ("ok", "denied", "failed"), "error" and "message" (of the last two), "user_agent"; or "v",
// "time" and "dropped", how many lines are missing here. A line that a crash cut is followed by a
// line break all the same.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/rate_limit.h"
#include "base/time.h"
#include "io/clock.h"
#include "io/disk.h"
#include "io/event_log.h"
#include "io/worker.h"
#include "metrics/registry.h"

namespace spillway::auth {

enum class AuditOutcome { kOk, kDenied, kFailed };
std::string_view to_string(AuditOutcome outcome);

struct AuditEvent {
  WallTime time{};
  std::string request_id;
  std::string access_key;      // as the request says; empty: it says none
  std::string user;            // its holder; empty: not known
  bool authenticated = false;  // the signature is that key's
  std::string peer;            // address without port
  bool secure = false;         // over TLS
  std::string action;          // "kinesis:CreateStream"
  std::string resource;        // ARN, or "*"; empty: the request doesn't say
  AuditOutcome outcome = AuditOutcome::kOk;
  std::string error;    // "AccessDeniedException"
  std::string message;  // likewise
  std::string user_agent;
  std::uint64_t dropped = 0;  // above 0: all else but the time is empty

  friend bool operator==(const AuditEvent&, const AuditEvent&) = default;
};

// Without the line break. Text that isn't UTF-8 is written with U+FFFD for each byte of 0x80 and
// above; texts longer than kAuditTextMax are cut.
std::string audit_line(const AuditEvent& event);
inline constexpr std::size_t kAuditTextMax = 2048;
// Of who isn't known and is denied: the key and the user agent, which may say anything.
inline constexpr std::size_t kAuditUnknownTextMax = 128;
inline constexpr std::uint64_t kAuditUnknownRate = 20;  // such lines a second
// Nullopt for what isn't a whole line of this version.
std::optional<AuditEvent> parse_audit_line(std::string_view line);

// The log's files in `directory`, the oldest first; empty where there is none.
Result<std::vector<std::string>> audit_files(io::Disk& disk, const std::string& directory);

struct AuditOptions {
  std::string directory;
  std::uint64_t file_bytes = std::uint64_t{64} << 20;
  std::size_t files = 8;  // the one that is written among them
  std::size_t queue_bytes = std::size_t{4} << 20;
};

// What it is handed must outlive it.
class AuditLog {
 public:
  AuditLog(AuditOptions options, io::Disk& disk, io::Clock& clock, io::Workers& workers,
           metrics::Registry& metrics, io::EventLog& log);
  // Writes and syncs what is queued.
  ~AuditLog();
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;

  // Any thread; never blocks on the disk.
  void write(const AuditEvent& event);

 private:
  // These on the worker's thread, and in the destructor.
  io::Step step();
  Status flush(const std::vector<std::string>& lines);
  Status open();
  Status rotate();
  Status sync();
  std::string path(std::size_t number) const;

  const AuditOptions options_;
  io::Disk& disk_;
  io::Clock& clock_;
  io::EventLog& log_;
  metrics::Counter& written_;
  metrics::Counter& dropped_;
  RateLimiter unknown_{{.requests_per_second = kAuditUnknownRate}};

  std::mutex mutex_;  // the next three
  std::vector<std::string> queue_;
  std::size_t queued_bytes_ = 0;
  std::uint64_t missing_ = 0;  // lines dropped that the log doesn't tell yet

  std::unique_ptr<io::File> file_;  // nullptr: to be opened
  std::uint64_t end_ = 0;
  bool unsynced_ = false;
  int steps_since_sync_ = 0;
  bool failing_ = false;
  std::unique_ptr<io::Worker> worker_;  // last: it uses all of the above
};

}  // namespace spillway::auth
