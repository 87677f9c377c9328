// Collects this machine's metrics and the lines of followed files into the buffer, and keeps how
// far the files are spooled. Host metrics are due every `interval`; one that was missed (the
// machine was asleep, /proc was slow) is not made up for.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "broker/file_follower.h"
#include "broker/host_metrics.h"
#include "broker/line_joiner.h"
#include "broker/telemetry_buffer.h"
#include "io/clock.h"
#include "io/disk.h"
#include "io/event_log.h"
#include "io/worker.h"
#include "metrics/registry.h"

namespace spillway::broker {

struct CollectorOptions {
  std::string directory;  // of the file places; made, and locked, by whoever runs the collector
  bool host_metrics = true;
  nanoseconds interval = seconds(1);
  HostMetricsOptions host;
  std::vector<std::string> files;  // absolute paths
  // Those of them whose lines are joined: "PATH", or "PATH=" and an example as LineJoiner's.
  std::vector<std::string> files_multiline;
};

// "file" and the path: "file/var/log/syslog".
std::string subject_of_file(const std::string& path);

// Whether these may be followed: kInvalid for a path that can't be (not absolute, a newline, not
// UTF-8, more than 250 bytes).
Status check_files(const std::vector<std::string>& files);

// kInvalid where one of `files_multiline` is none of `files`.
Status check_files_multiline(const std::vector<std::string>& files,
                             const std::vector<std::string>& files_multiline);

// One thread at a time, but for change(); blocks on the disk. What it is handed outlives it.
class TelemetryCollector {
 public:
  // How often it looks at files, and whether metrics are due.
  static constexpr nanoseconds kLookInterval = milliseconds(100);
  // File places are kept at most this often, but for those of files that it meets.
  static constexpr nanoseconds kPlacesInterval = seconds(1);

  struct Parts {
    io::Disk& disk;
    io::Clock& clock;
    io::EventLog& log;
    metrics::Registry& metrics;
    TelemetryBuffer& buffer;
  };

  // Reads where files were left. kInvalid: as the checks above; kCorrupt, kUnsupported: the places.
  static Result<std::unique_ptr<TelemetryCollector>> make(CollectorOptions options, Parts parts);

  // From the next step on it collects what these say, which the checks above allow, but stays in
  // its directory. A file that was followed before goes on where its last line was read. Any
  // thread.
  void change(CollectorOptions options);
  // The worker's step. `pushed` tells whether the buffer got something.
  io::Step step(bool& pushed);
  // Keeps what was spooled last.
  Status save_places();

 private:
  struct Followed {
    std::unique_ptr<FileFollower> follower;
    std::string subject;
    std::optional<FilePlace> behind;  // the last line that was told; or where the first one begins
    bool failing = false;             // and said so
    LineJoiner joiner;
  };
  struct Progress {
    std::size_t read = 0;
    std::size_t pushed = 0;
  };
  struct FileEvents {
    std::uint64_t rotations = 0;
    std::uint64_t truncations = 0;
    std::uint64_t skipped_bytes = 0;
  };

  TelemetryCollector(CollectorOptions options, Parts parts, FilePlaces places);
  void take_change(MonoTime now);
  void follow_files(const CollectorOptions& options);
  static void add(FileEvents& events, const FileFollower& follower);
  bool collect_metrics(MonoTime now);
  // Reads at most `lines_max` lines, and pushes what of them has ended.
  Progress follow(Followed& followed, std::size_t lines_max);
  // None where the file can't be read; says so once.
  std::vector<FollowedLine> poll(Followed& followed, std::size_t lines_max);
  void meet(Followed& followed, const std::vector<FollowedLine>& lines);
  void count_file_events();
  void save_places_when_due(MonoTime now);

  CollectorOptions options_;
  const Parts parts_;
  std::mutex mutex_;  // of change_
  std::optional<CollectorOptions> change_;
  HostMetrics host_;
  std::vector<Followed> files_;
  FilePlaces left_at_;  // of files that aren't followed, as far as is known
  FileEvents before_;   // of files that were followed
  MonoTime metrics_due_;
  MonoTime places_due_;
  std::optional<FilePlaces> unsaved_places_;
  bool met_files_ = false;  // whose places aren't kept yet
  bool places_failing_ = false;
  metrics::Gauge& rotations_;
  metrics::Gauge& truncations_;
  metrics::Gauge& skipped_bytes_;
};

}  // namespace spillway::broker
