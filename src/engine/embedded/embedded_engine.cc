#include "engine/embedded/embedded_engine.h"

#include "engine/embedded/engine_impl.h"

namespace spillway::engine {

EmbeddedEngine::EmbeddedEngine(const EmbeddedOptions& options, const EmbeddedSeams& seams)
    : options_(options),
      seams_(seams),
      sync_seconds_(seams.metrics.histogram("spillway_journal_flush_seconds",
                                            "Writing and syncing one journal frame")),
      frames_(seams.metrics.counter("spillway_journal_frames_total", "Frames written and synced")),
      journal_bytes_(seams.metrics.counter("spillway_journal_bytes_total",
                                           "Bytes of entries written and synced")),
      throttled_(seams.metrics.counter("spillway_engine_throttled_total",
                                       "Appends refused because the queue was full")),
      share_throttled_(seams.metrics.counter(
          "spillway_engine_share_throttled_total",
          "Batches refused because their shard held as much of the queue as was free")),
      found_no_space_(seams.metrics.counter("spillway_journal_no_space_total",
                                            "Flushes that found no space; their appends failed")),
      recovery_seconds_(seams.metrics.histogram("spillway_recovery_seconds",
                                                "Opening the data directory, before serving")),
      seal_seconds_(seams.metrics.histogram(
          "spillway_seal_seconds", "Writing a filled journal file's segment and its snapshot")),
      merges_(seams.metrics.counter("spillway_segment_merge_steps_total",
                                    "Pieces of merging done, about 4 MiB each")),
      disk_reads_(seams.metrics.counter("spillway_disk_reads_total",
                                        "Reads and searches that the tail could not answer")),
      tail_bytes_(seams.metrics.gauge("spillway_tail_bytes", "Memory of recent batches")),
      segment_count_(seams.metrics.gauge("spillway_segments", "Segment files")),
      missing_segments_(seams.metrics.gauge(
          "spillway_segments_missing",
          "Segment files that are gone: read as long as this process runs, lost after it")),
      accepted_losses_(seams.metrics.gauge(
          "spillway_segments_lost",
          "Segments given up with `spillway doctor --accept-loss` that readers might still want")) {
}

Result<stream::ShardTip> EmbeddedEngine::tip(stream::ShardId id) {
  const std::lock_guard lock(mutex_);
  const Shard* shard = table_.find(id);
  if (shard == nullptr) return Error{ErrorCode::kNotFound, "there is no such shard"};
  return stream::ShardTip{stream::Position{shard->visible_next},
                          from_millis(shard->visible_arrival_ms), shard->visibly_closed};
}

stream::CatalogRef EmbeddedEngine::catalog() {
  const std::lock_guard lock(mutex_);
  return catalog_;
}

void EmbeddedEngine::set_listener(stream::EngineListener* listener) {
  const std::lock_guard lock(listener_mutex_);
  listener_ = listener;
}

Status EmbeddedEngine::writable() {
  std::unique_lock lock(mutex_);
  if (write_error_) return *write_error_;
  if (no_space_) return *no_space_;
  if (!append_no_space_) return {};
  const Error last = *append_no_space_;
  lock.unlock();
  // While this says no, nobody may try: whether there is room again is looked up.
  const auto free = seams_.disk.free_space(options_.directory);
  if (free.ok() && *free > 2 * options_.journal_file_bytes) return {};
  return last;
}

void EmbeddedEngine::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(stopping_, true)) return;
  }
  if (!flusher_) return;  // recovery failed
  reader_.reset();
  while (read_from_disk() == io::Step::kAgain) {
  }
  flusher_.reset();
  while (flush() == io::Step::kAgain) {
  }
  sealer_.reset();
  fail_pending({}, Error{ErrorCode::kClosed, "the engine is stopping"}, false);
}

Result<std::unique_ptr<stream::Engine>> open_embedded_engine(const EmbeddedOptions& options,
                                                             const EmbeddedSeams& seams) {
  auto engine = std::make_unique<EmbeddedEngine>(options, seams);
  if (auto recovered = engine->recover(); !recovered.ok())
    return context("open " + options.directory, std::move(recovered).error());
  engine->start_workers();
  return std::unique_ptr<stream::Engine>(std::move(engine));
}

}  // namespace spillway::engine
