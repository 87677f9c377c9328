#include "broker/telemetry_buffer.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace spillway::broker {
namespace {

// Escaping makes up to six bytes of one; the rest of a record is below this.
constexpr std::size_t kOverheadBytes = 1024;
constexpr std::size_t kLineRecordBytesMax = 6 * FileFollower::kLineBytesMax + 2 * kOverheadBytes;
// Of what is spooled at once.
constexpr std::size_t kBatchRecordsMax = 500;
constexpr std::size_t kBatchBytesMax = std::size_t{1} << 20;
// Lines get at least the other half of each batch.
constexpr std::size_t kMetricsFirst = kBatchRecordsMax / 2;

std::size_t share_of_lines(std::size_t whole) { return whole / 4 * 3; }

std::size_t less(std::size_t from, std::size_t what) { return from > what ? from - what : 0; }

}  // namespace

TelemetryBuffer::TelemetryBuffer(std::string source, std::string host, BufferLimits limits,
                                 metrics::Registry& metrics)
    : source_(std::move(source)),
      host_(std::move(host)),
      limits_(limits),
      counters_{
          metrics.counter("spillway_broker_collected_records_total", "Records collected, by kind",
                          {{"kind", "host"}}),
          metrics.counter("spillway_broker_collected_records_total", "Records collected, by kind",
                          {{"kind", "file"}}),
          metrics.counter("spillway_telemetry_dropped_records_total",
                          "Host metrics given up because the buffer was full"),
          metrics.gauge("spillway_broker_buffer_records", "Records held until the spool has them"),
          metrics.gauge("spillway_broker_buffer_bytes",
                        "Memory of the records held until the spool has them")},
      host_metrics_(metrics, "host_metrics"),
      files_(metrics, "files") {}

std::size_t TelemetryBuffer::size_of(const Entry& entry) {
  return entry.fields.size() + entry.subject.size() + kOverheadBytes;
}

void TelemetryBuffer::count(std::ptrdiff_t records, std::ptrdiff_t bytes) {
  records_ += static_cast<std::size_t>(records);
  bytes_ += static_cast<std::size_t>(bytes);
  counters_.records.set(static_cast<std::int64_t>(records_));
  counters_.bytes.set(static_cast<std::int64_t>(bytes_));
}

TelemetryBuffer::Entry TelemetryBuffer::make_entry(const std::string& subject, std::string fields,
                                                   WallTime time) {
  return Entry{subject, std::move(fields), time, ++subjects_[subject].seq, std::nullopt};
}

void TelemetryBuffer::add(std::deque<Entry>& queue, Entry entry) {
  count(1, static_cast<std::ptrdiff_t>(size_of(entry)));
  queue.push_back(std::move(entry));
}

void TelemetryBuffer::drop_oldest_metrics() {
  const Entry& oldest = metrics_.front();
  ++subjects_.find(oldest.subject)->second.dropped;
  counters_.dropped.add();
  host_metrics_.refused.add();
  count(-1, -static_cast<std::ptrdiff_t>(size_of(oldest)));
  metrics_.pop_front();
}

void TelemetryBuffer::push_metrics(const std::string& subject, std::string fields, WallTime time) {
  const std::lock_guard lock(mutex_);
  if (subjects_.size() >= kSubjectsMax && !subjects_.contains(subject)) {
    counters_.dropped.add();
    host_metrics_.refused.add();
    return;
  }
  counters_.metrics_records.add();
  // It may itself be the one to go, where everything else is lines or being put.
  add(metrics_, make_entry(subject, std::move(fields), time));
  while (!metrics_.empty() && (records_ > limits_.records || bytes_ > limits_.bytes))
    drop_oldest_metrics();
}

std::size_t TelemetryBuffer::room_for_lines() const {
  const std::lock_guard lock(mutex_);
  const std::size_t records = less(share_of_lines(limits_.records), records_);
  const std::size_t bytes = less(share_of_lines(limits_.bytes), bytes_);
  return std::min(records, bytes / kLineRecordBytesMax);
}

void TelemetryBuffer::push_line(const std::string& subject, std::string fields, WallTime time,
                                LineOrigin origin) {
  const std::lock_guard lock(mutex_);
  counters_.line_records.add();
  auto entry = make_entry(subject, std::move(fields), time);
  entry.origin = std::move(origin);
  add(lines_, std::move(entry));
}

void TelemetryBuffer::push_end(WallTime time) {
  const std::lock_guard lock(mutex_);
  SubjectEnds ends;
  for (const auto& [name, subject] : subjects_)
    if (name != kSourceSubject) ends.emplace(name, SubjectEnd{subject.seq, subject.dropped});
  add(metrics_, make_entry(std::string(kSourceSubject), end_fields(ends), time));
}

bool TelemetryBuffer::move_first(std::deque<Entry>& queue, TelemetryBatch& batch) {
  Entry& entry = queue.front();
  const std::size_t bytes = size_of(entry);
  if (batch.entries.size() >= kBatchRecordsMax ||
      (!batch.empty() && batch.bytes + bytes > kBatchBytesMax))
    return false;
  // What was dropped of this subject came before it: the oldest go first, and the rest is taken in
  // order.
  const auto dropped = subjects_.find(entry.subject)->second.dropped;
  const TelemetryStamp stamp{source_, entry.subject, entry.seq, dropped, entry.time};
  batch.entries.push_back({entry.subject, encode_record(stamp, host_, entry.fields)});
  batch.origins.push_back(std::move(entry.origin));
  batch.bytes += bytes;
  queue.pop_front();
  return true;
}

TelemetryBatch TelemetryBuffer::take() {
  const std::lock_guard lock(mutex_);
  TelemetryBatch batch;
  while (!metrics_.empty() && (batch.entries.size() < kMetricsFirst || lines_.empty()))
    if (!move_first(metrics_, batch)) return batch;
  while (!lines_.empty() && move_first(lines_, batch)) {
  }
  return batch;
}

void TelemetryBuffer::release(const TelemetryBatch& batch) {
  const std::lock_guard lock(mutex_);
  SPILLWAY_ASSERT(batch.entries.size() <= records_ && batch.bytes <= bytes_);
  count(-static_cast<std::ptrdiff_t>(batch.entries.size()),
        -static_cast<std::ptrdiff_t>(batch.bytes));
  for (const auto& origin : batch.origins) {
    (origin ? files_ : host_metrics_).records.add();
    if (!origin) continue;
    places_[origin->path] = origin->behind;
    places_changed_ = true;
  }
}

std::size_t TelemetryBuffer::records() const {
  const std::lock_guard lock(mutex_);
  return records_;
}

std::optional<FilePlaces> TelemetryBuffer::changed_places() {
  const std::lock_guard lock(mutex_);
  if (!std::exchange(places_changed_, false)) return std::nullopt;
  return places_;
}

void TelemetryBuffer::set_places(FilePlaces places) {
  const std::lock_guard lock(mutex_);
  places_ = std::move(places);
}

void TelemetryBuffer::begin_file(const std::string& path, const FilePlace& place) {
  const std::lock_guard lock(mutex_);
  if (places_.emplace(path, place).second) places_changed_ = true;
}

}  // namespace spillway::broker
