// The embedded engine: everything durable goes through one ordered journal in one data directory
// (DESIGN.md, "Engine").
//
//   DIR/lock                    held while a process uses the directory
//   DIR/journal/…               files of frames, recycled
//   DIR/segments/…              batches sorted by shard, immutable
//   DIR/snapshots/…             the catalog and every shard's tip, as of a journal frame
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "io/clock.h"
#include "io/disk.h"
#include "io/entropy.h"
#include "io/event_log.h"
#include "io/worker.h"
#include "metrics/registry.h"
#include "stream/engine.h"

namespace spillway::engine {

struct EmbeddedOptions {
  std::string directory;
  std::uint64_t journal_file_bytes = std::uint64_t{64} << 20;
  std::uint32_t journal_files = 4;  // in use at most; appends are throttled beyond
  // Files that starts may add to those before a start seals what is there before it serves: as many
  // starts in a row may be cut short without one that takes long.
  std::uint32_t journal_starts = 4;
  std::uint64_t queue_bytes = std::uint64_t{64} << 20;         // appended, not yet flushed
  std::uint64_t shard_frame_bytes = std::uint64_t{512} << 10;  // of a frame that others wait for
  std::uint64_t tail_bytes = std::uint64_t{64} << 20;       // kept in memory although in segments
  std::uint64_t page_cache_bytes = std::uint64_t{1} << 30;  // of segments; see SegmentSetOptions
  std::uint32_t merge_fan_in = 8;  // adjacent segments that are merged into one
  std::uint64_t merge_bytes_max = std::uint64_t{2} << 30;  // of what is merged, together
  // Whether segments are merged now, which also packs them. Asked whenever one has become full, on
  // a worker. Null: always.
  std::function<bool()> merges;
};

// What it is handed must outlive it. The simulation hands in its own.
struct EmbeddedSeams {
  io::Disk& disk;
  io::Clock& clock;
  io::Workers& workers;
  io::Entropy& entropy;
  io::EventLog& log;
  metrics::Registry& metrics;
};

// Locks the directory, recovers, and starts three workers: flusher, segment writer, disk reader.
// kBusy: another process has it; kCorrupt: damage that must not be cut silently, with file and
// offset; kUnsupported: written by a newer version.
Result<std::unique_ptr<stream::Engine>> open_embedded_engine(const EmbeddedOptions& options,
                                                             const EmbeddedSeams& seams);

}  // namespace spillway::engine
