// The catalog and every shard's tip as of one journal frame, and the segments that hold what came
// before: where recovery begins.
//
// Format, version 2 (integers little-endian; also docs/formats/snapshot.md), file
// LASTFRAME.snapshot:
//   0   [8] "SPILLSNP", u32 version = 2, u32 shards
//   16  u64 last frame, u64 generation
//   32  shards, each 24 bytes: u64 shard, u64 next position, i64 last arrival ms
//   …   u32 segments; each 24 bytes: u64 first frame, u64 last frame, u64 size of the file
//   …   u32 losses; each 24 bytes: u64 first frame, u64 last frame, i64 accepted at, ms
//   …   u32 size of the catalog, catalog (stream/catalog.cc)
//   …   u32 CRC32C of everything before
// Version 1 has neither segments nor losses.
//
// LASTFRAME.copy is the same once more, made durable behind it: no damage to one of the two costs
// anything.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "io/disk.h"
#include "log/segment.h"
#include "stream/catalog.h"

namespace spillway::engine {

struct ShardTipRow {
  stream::ShardId shard = 0;
  std::uint64_t next = 0;
  std::int64_t last_arrival_ms = 0;
};

// A segment that was missing, and that somebody said the region has to do without.
struct AcceptedLoss {
  log::FrameRange range;
  std::int64_t accepted_ms = 0;
};

struct Snapshot {
  std::uint64_t last_frame = 0;
  std::uint64_t generation = 0;
  stream::CatalogRef catalog = std::make_shared<stream::Catalog>();
  std::vector<ShardTipRow> tips;
  // All that were in effect, by ascending frames. nullopt: an older version's snapshot, which says
  // nothing of them.
  std::optional<std::vector<log::SegmentName>> segments;
  std::vector<AcceptedLoss> losses;
};

// Makes `snapshot` durable, in place of one of the same frame, and then its copy, unless there is
// no space for that; then removes the older ones.
Status write_snapshot(io::Disk& disk, const std::string& directory, const Snapshot& snapshot);

struct FoundSnapshot {
  Snapshot snapshot;
  // What is wrong with the file of it, or with its copy, of which the other one is whole; else "".
  std::string damage;
};
// The newest one; an empty one (frame 0) where there is none. kCorrupt if the newest is damaged,
// and so is its copy, or there is none: the journal may not hold any more what an older one lacks.
Result<FoundSnapshot> read_newest_snapshot(io::Disk& disk, const std::string& directory);

}  // namespace spillway::engine
