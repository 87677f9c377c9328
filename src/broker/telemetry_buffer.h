// Telemetry between its collection and the spool.
//
// Bounded in records and bytes, what is being spooled included. When it is full, since the spool
// takes no records:
// - host metrics give way to newer ones: the oldest one that isn't being spooled is dropped
//   and counted;
// - lines of followed files are not read further (room_for_lines() is 0): they wait in their files.
// Lines take at most three quarters, so that a large file leaves room for the machine's metrics.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "broker/file_places.h"
#include "broker/input_metrics.h"
#include "broker/telemetry_record.h"
#include "metrics/registry.h"

namespace spillway::broker {

struct BufferLimits {
  std::size_t records = 20'000;
  std::size_t bytes = std::size_t{32} << 20;
};

// A line's path, and where its file goes on once the line is spooled.
struct LineOrigin {
  std::string path;
  FilePlace behind;
};

// Records on their way to the spool, oldest of each subject first.
struct TelemetryBatch {
  struct Entry {
    std::string partition_key;
    std::string data;
  };
  std::vector<Entry> entries;
  std::vector<std::optional<LineOrigin>> origins;  // one for each entry; none: no line
  std::size_t bytes = 0;                           // as the buffer counts them

  bool empty() const { return entries.empty(); }
};

// Any thread; no call blocks for long.
class TelemetryBuffer {
 public:
  // Metrics of at most this many subjects in a source's life (interfaces of containers come and
  // go); those of further ones are dropped.
  static constexpr std::size_t kSubjectsMax = 4096;

  TelemetryBuffer(std::string source, std::string host, BufferLimits limits,
                  metrics::Registry& metrics);

  const std::string& source() const { return source_; }

  // `fields`: the members of a JSON object, without its braces.
  void push_metrics(const std::string& subject, std::string fields, WallTime time);
  // How many lines may be pushed now, whatever they hold.
  std::size_t room_for_lines() const;
  void push_line(const std::string& subject, std::string fields, WallTime time, LineOrigin origin);
  // The source's last record. Nothing is pushed after it.
  void push_end(WallTime time);

  // The oldest records, as many as are spooled at once. They stay counted until they are released.
  TelemetryBatch take();
  // All of `batch` is spooled, durably.
  void release(const TelemetryBatch& batch);
  std::size_t records() const;  // being spooled included

  // How far each file is spooled; nullopt where nothing has changed since the last call.
  std::optional<FilePlaces> changed_places();
  // As places were when the source began.
  void set_places(FilePlaces places);
  // Of a file without one: where its first line begins that may be pushed.
  void begin_file(const std::string& path, const FilePlace& place);

 private:
  struct Entry {
    std::string subject;
    std::string fields;
    WallTime time{};
    std::uint64_t seq = 0;
    std::optional<LineOrigin> origin;
  };
  struct Subject {
    std::uint64_t seq = 0;
    std::uint64_t dropped = 0;
  };
  struct Counters {
    metrics::Counter& metrics_records;
    metrics::Counter& line_records;
    metrics::Counter& dropped;
    metrics::Gauge& records;
    metrics::Gauge& bytes;
  };

  static std::size_t size_of(const Entry& entry);
  Entry make_entry(const std::string& subject, std::string fields, WallTime time);
  void add(std::deque<Entry>& queue, Entry entry);
  void drop_oldest_metrics();
  // False when the batch is full.
  bool move_first(std::deque<Entry>& queue, TelemetryBatch& batch);
  void count(std::ptrdiff_t records, std::ptrdiff_t bytes);

  const std::string source_;
  const std::string host_;
  const BufferLimits limits_;
  const Counters counters_;
  const InputMetrics host_metrics_;
  const InputMetrics files_;

  mutable std::mutex mutex_;
  std::map<std::string, Subject, std::less<>> subjects_;
  std::deque<Entry> metrics_;
  std::deque<Entry> lines_;
  std::size_t records_ = 0;  // of both queues, and being spooled
  std::size_t bytes_ = 0;
  FilePlaces places_;
  bool places_changed_ = false;
};

}  // namespace spillway::broker
