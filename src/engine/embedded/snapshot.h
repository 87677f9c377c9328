// The catalog and every shard's tip as of one journal frame: where recovery begins.
//
// Format, version 1 (integers little-endian; also docs/formats/snapshot.md), file
// LASTFRAME.snapshot:
//   0   [8] "SPILLSNP", u32 version = 1, u32 shards
//   16  u64 last frame, u64 generation
//   32  shards, each 24 bytes: u64 shard, u64 next position, i64 last arrival ms
//   …   u32 size of the catalog, catalog (stream/catalog.cc)
//   …   u32 CRC32C of everything before
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/disk.h"
#include "stream/catalog.h"

namespace spillway::engine {

struct ShardTipRow {
  stream::ShardId shard = 0;
  std::uint64_t next = 0;
  std::int64_t last_arrival_ms = 0;
};

struct Snapshot {
  std::uint64_t last_frame = 0;
  std::uint64_t generation = 0;
  stream::CatalogRef catalog = std::make_shared<stream::Catalog>();
  std::vector<ShardTipRow> tips;
};

// Makes `snapshot` durable, then removes the older ones.
Status write_snapshot(io::Disk& disk, const std::string& directory, const Snapshot& snapshot);
// The newest one; an empty one (frame 0) where there is none. kCorrupt if the newest is damaged:
// the journal may not hold any more what an older one lacks.
Result<Snapshot> read_newest_snapshot(io::Disk& disk, const std::string& directory);

}  // namespace spillway::engine
