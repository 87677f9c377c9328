// What a correct engine may hold, given what it answered: a checker that knows the history of calls
// and answers alone, nothing of journals or segments.
//
// An operation is an append of items or a change of the catalog. The appends of each shard become
// durable in the order in which they were called, and a change of the catalog behind all that was
// called before it, and before all that was called after it. So after a crash those that were not
// answered survived as a prefix of each such order, each whole (but for items that were refused
// while others were taken). What was answered with success survived; what was refused did not; what
// was answered with kIo may have.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "stream/engine.h"

namespace spillway::sim {

struct ModelItem {
  stream::ShardId shard = 0;
  std::uint32_t count = 0;
  std::string payload;
};

class EngineModel {
 public:
  using OperationId = std::uint64_t;
  using Names = std::vector<std::string>;

  // --- What was asked and answered. Numbers rise in the order of the calls.

  OperationId begin_append(std::vector<ModelItem> items);
  // Some of its items were not taken; which, only its answer tells.
  void refused_in_part(OperationId id);
  // `made` and `removed`: the names of streams that it makes and deletes.
  OperationId begin_catalog_change(Names made, Names removed);
  // `synced`: a number that rises with each sync of the journal.
  Status appended(OperationId id, const std::vector<Result<stream::Appended>>& outcomes,
                  std::uint64_t synced);
  Status catalog_changed(OperationId id, const Result<stream::CatalogRef>& outcome,
                         std::uint64_t synced);

  // --- What is there, with `horizon` functions of the time at which it was looked at.

  // What was read from one shard: every batch from the trim horizon to the tip, and the tip.
  // `before` is the time then. `after` is the latest time that there has been by the end: what
  // expired before the time went back may be gone, as may what expired meanwhile.
  struct Seen {
    std::vector<stream::StoredBatch> batches;
    stream::ShardTip tip;
    WallTime before;
    WallTime after;
  };
  // One read while everything runs: holds nothing that was not acknowledged, and passes over
  // nothing that has not expired by `after`.
  Status check_read(stream::ShardId shard, stream::Position from, const stream::ReadResult& result,
                    WallTime after) const;
  // The position that find_by_time gave.
  Status check_found(stream::ShardId shard, WallTime time, WallTime before, WallTime after,
                     stream::Position found) const;

  // After a restart: which operations survived is concluded from what is seen, and is true from now
  // on.
  Status check_recovered(const stream::CatalogRef& catalog,
                         const std::map<stream::ShardId, Seen>& seen);
  // After damage: what is there is what was put, and only what the last sync made durable is
  // missing. Concludes nothing.
  Status check_damaged(const stream::CatalogRef& catalog,
                       const std::map<stream::ShardId, Seen>& seen) const;

  const stream::CatalogRef& catalog() const { return catalog_; }
  bool in_flight() const { return !in_flight_.empty(); }
  bool catalog_change_in_flight() const;
  std::uint64_t acknowledged() const { return acknowledged_; }  // records
  std::uint64_t checked() const { return checked_; }            // of those, times looked for

 private:
  struct Operation {
    OperationId id = 0;
    bool is_catalog_change = false;
    bool refused_in_part = false;
    std::vector<ModelItem> items;
    Names made;
    Names removed;
  };
  struct Held {
    std::uint64_t first = 0;
    std::uint32_t count = 0;
    std::int64_t arrival_ms = 0;
    std::string payload;
    std::uint64_t synced = 0;
    std::uint64_t end() const { return first + count; }
  };
  struct Shard {
    std::vector<Held> held;
    std::uint64_t next = 0;
    std::int64_t retention_ms = 0;
  };

  Operation take(OperationId id);
  void adopt(stream::CatalogRef catalog);
  Status check_catalog(const stream::CatalogRef& catalog, std::size_t& survived) const;
  Status check_shard(stream::ShardId id, const Shard& shard, const Seen& seen,
                     std::vector<stream::StoredBatch>& beyond, bool damaged) const;
  Status conclude(const std::map<stream::ShardId, std::vector<stream::StoredBatch>>& beyond,
                  std::size_t catalog_changes);
  Status match(std::deque<stream::StoredBatch>& beyond, const ModelItem& item) const;

  std::map<stream::ShardId, Shard> shards_;
  stream::CatalogRef catalog_ = std::make_shared<stream::Catalog>();
  std::uint64_t catalog_synced_ = 0;
  std::deque<Operation> in_flight_;  // unanswered, or answered with kIo
  OperationId last_id_ = 0;
  std::uint64_t last_synced_ = 0;
  std::uint64_t acknowledged_ = 0;
  mutable std::uint64_t checked_ = 0;
};

}  // namespace spillway::sim
