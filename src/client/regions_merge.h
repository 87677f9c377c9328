// Records of one stream that is in several regions: each is handed over once, wherever it is read
// first, by its origin (DESIGN.md, "Records and their identity"). A value: records and times in,
// records out.
//
// What is handed over is one batch at a time, and handled() says that its caller is done with it.
// The places in the regions' shards and the set of origins, which are committed together, tell of
// what was handled and of nothing else. So a reader that starts again from its last commit hands
// over what was not handled then: with the same origins, be it from another region's copy, though
// not in the same batches.
//
// A shard's place is before its first record that isn't settled: not handled, or a copy of one that
// isn't. Behind it, records with origins are recognised by the set. Those without one are handed
// over in the shard's order, whatever waits, so that the place of the last one tells which were.
// Records with origins may share a sequence number, those of an aggregate: the place is before all
// of them until all are settled.
//
// Under kOrdered a record waits until the one that its producer names as `previous` was handed
// over. It goes before that, with all that wait before it in its lane, when nobody can say any more
// that the missing one will come. All regions that can be read have been found at their tips by
// looks that began after it came, and
//   - of its lane nothing was ever handed over, and no region is away: the lane begins here, what
//     was before has expired or lies before the reader's start; or
//   - it has waited for gap_wait: a gap is given up, counted and told; or
//   - as much waits as may, and no region is away: likewise.
// At that bound, shards of which records wait are not read on; they don't count as readable then.
#pragma once

#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "client/kinesis_client.h"
#include "stream/origin.h"
#include "stream/seen_set.h"

namespace spillway::client {

enum class RegionsMode {
  kAvailable,  // a record as soon as it was read anywhere
  kOrdered,    // after its `previous`
};

struct RegionsMergeOptions {
  RegionsMode mode = RegionsMode::kAvailable;
  nanoseconds gap_wait = seconds(60);
  // Of what waits for a `previous`. Beyond them comes at most an answer for each shard.
  std::size_t waiting_max = 100'000;
  std::size_t waiting_bytes_max = std::size_t{64} << 20;  // data and keys
  // Of what could be taken. Likewise.
  std::size_t ready_bytes_max = std::size_t{64} << 20;
  stream::SeenSetOptions seen;
};

struct RegionRecord {
  std::size_t region = 0;
  std::string shard_id;
  Record record;
  bool late = false;  // a later one of its lane was handed over before
};

// How far a shard was handled: sequence numbers, empty before the first record.
struct ShardPlace {
  std::string all;    // the last one of which nothing before is missing
  std::string plain;  // the last one without an origin; may be further

  friend bool operator==(const ShardPlace&, const ShardPlace&) = default;
};
using RegionPlaces = std::map<std::string, ShardPlace>;  // by shard id

// Not thread-safe. Regions are numbers from 0 on. Memory: what the options say, an entry for each
// record read behind a shard's place, and the set of origins.
class RegionsMerge {
 public:
  RegionsMerge(std::size_t regions, RegionsMergeOptions options);
  RegionsMerge(const RegionsMerge&) = delete;
  RegionsMerge& operator=(const RegionsMerge&) = delete;

  // What was committed last, before anything is given. `seen` is SeenSet's snapshot(), and so are
  // the errors.
  Status resume(std::string_view seen);
  void resume(std::size_t region, const RegionPlaces& places);

  // The shard is read from now on, from its place, until remove(), when it was read to its end.
  void add(std::size_t region, const std::string& shard_id);
  void give(std::size_t region, const std::string& shard_id, std::vector<Record> records,
            MonoTime now);
  // All that was in the shard at `began` has been given.
  void at_tip(std::size_t region, const std::string& shard_id, MonoTime began);
  void remove(std::size_t region, const std::string& shard_id);
  // Forgets the places of shards that the region doesn't have any more.
  void keep(std::size_t region, const std::set<std::string>& shard_ids);
  // It doesn't answer, or does again.
  void set_away(std::size_t region, bool away);
  // Gives up what needs not be waited for any longer. To be called every now and then.
  void look(MonoTime now);
  // Whatever waits may go; each gap in it is given up.
  void release_all();

  // The next batch, of at least one record where there is one; empty while handled() wasn't called
  // for the last one.
  std::vector<RegionRecord> take(std::size_t records_max, std::size_t bytes_max);
  void handled();

  // Whether the shard should not be read on for now.
  bool holds(std::size_t region, const std::string& shard_id) const;
  RegionPlaces places(std::size_t region) const;
  std::string seen() { return seen_.snapshot(); }
  // As SeenSet's.
  void forget_idle(WallTime time) { seen_.forget_idle(time); }
  std::size_t waiting() const { return waiting_.size(); }
  std::size_t ready() const { return ready_.size(); }

  // Since it was made.
  struct Counts {
    std::uint64_t copies = 0;  // that were dropped
    std::uint64_t late = 0;
    std::uint64_t gaps_given_up = 0;
    std::uint64_t plain = 0;  // without an origin: copies of them are not recognised
  };
  const Counts& counts() const { return counts_; }

 private:
  enum class State { kWaiting, kReady, kTaken, kHandled };
  struct Shard;
  // A record that is being handled.
  struct Held {
    State state = State::kWaiting;
    std::size_t region = 0;
    Shard* shard = nullptr;
    std::uint64_t ticket = 0;  // rises with each
    MonoTime came{};
    std::size_t bytes = 0;
    bool late = false;
    std::optional<stream::Origin> origin;
    std::string sequence_number;
    std::optional<Record> record;  // until it is taken
  };
  using HeldPtr = std::shared_ptr<Held>;
  // A record behind a shard's place; null: it is settled.
  struct Entry {
    std::string sequence_number;  // empty: the next record has the same
    HeldPtr held;

    bool settled() const { return held == nullptr || held->state == State::kHandled; }
  };
  struct Shard {
    std::string id;
    ShardPlace place;
    std::deque<Entry> entries;
    std::size_t collapsed = 0;  // entries after the last collapse()
    std::size_t ready = 0;      // records that can be taken
    std::size_t waiting = 0;    // for their previous
    MonoTime tip{};
    bool reading = false;
  };
  struct Region {
    std::map<std::string, Shard> shards;  // by id
    bool away = false;
    bool listed = false;  // a shard of it has been read
  };
  struct LaneKey {
    stream::ProducerId producer;
    std::uint8_t lane = 0;

    auto operator<=>(const LaneKey&) const = default;
  };
  // Of which records are being handled.
  struct Lane {
    std::map<std::uint64_t, HeldPtr> held;     // by sequence
    std::map<std::uint64_t, HeldPtr> waiting;  // those of them that wait
    std::uint64_t newest = 0;                  // that was ready
  };

  Shard& shard(std::size_t region, const std::string& shard_id);
  HeldPtr hold(std::size_t region, Shard& shard, Record record, MonoTime now);
  // Each adds one entry.
  void give_one(std::size_t region, Shard& from, Record record, MonoTime now);
  void give_plain(std::size_t region, Shard& shard, Record record, MonoTime now);
  void give_new(std::size_t region, Shard& shard, Record record, MonoTime now);
  void give_copy(Shard& shard, const Record& record);
  bool follows(const Lane& lane, const Held& held) const;
  // The newest sequence of its lane that was handed over; 0: none.
  std::uint64_t newest(const Lane& lane, const stream::Origin& origin) const;
  // What waits in the lane up to `sequence`, and what follows that.
  void release(Lane& lane, std::uint64_t sequence);
  void make_ready(const HeldPtr& held);
  bool full() const;
  bool paused(const Shard& shard) const { return full() && shard.waiting > 0; }
  bool any_away() const;
  // What came before it has had its chance in all regions that can be read.
  MonoTime tips() const;
  void advance(Shard& shard);
  static void collapse(Shard& shard);

  const RegionsMergeOptions options_;
  std::vector<Region> regions_;
  stream::SeenSet seen_;
  std::map<LaneKey, Lane> lanes_;
  std::map<std::uint64_t, HeldPtr> waiting_;  // by ticket
  std::deque<HeldPtr> ready_;
  std::vector<HeldPtr> taken_;
  std::uint64_t next_ticket_ = 0;
  std::size_t waiting_bytes_ = 0;
  std::size_t ready_bytes_ = 0;
  Counts counts_;
};

}  // namespace spillway::client
