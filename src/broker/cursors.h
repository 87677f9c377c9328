// How far each shard of the spool has been delivered to each target: what a restart goes on from.
//
// A shard goes to one target at a time, in order. Another one takes over where the last one is;
// what it was so never sent is kept as its ranges. So everything before the furthest cursor of a
// shard was acknowledged by some target, but for what was left behind (CatchUp in shard_sender.h):
// ranges that were passed over, and no target was sent. They are in that cursor, so that no cursor
// is ever stored without what lies behind it; and they are among the ranges of every target.
//
// Kept as records of a shard of the spool's own engine, so that their syncs are the journal's. One
// append is under way at a time; what moves meanwhile goes into the next. A record holds cursors
// that have moved since the one before it; now and then one, or several where there are too many
// for one, hold all of them.
//
// Format of a record's data, version 3 (integers little-endian; also
// docs/formats/spool-cursors.md):
//   0   u8  version = 3; 2 is read too, whose cursors have nothing left behind, and 1, without
//           ranges
//   1   [3] zero
//   4   u32 cursors
//   8   u64 position, in this shard, of the last record that holds every cursor, or of the first
//           of those that do so together: this one or an earlier one. Whoever reads begins there.
//   16  cursors, each:
//         u64  shard of the spool
//         u64  position in it: what is before has been delivered
//         u32  size of the target's name, name
//         u32  lanes, each: u8 lane, [16] producer, u64 sequence of the lane's last record that was
//              delivered; of producer 0, where it isn't known. Of a cursor that only moved: lanes
//              that have moved.
//         u32  ranges, each: u64 position of the first record that wasn't sent to the target, u64
//              position behind the last one. All there are, in their order.
//         u32  ranges, each likewise: what was left behind, of the shard
//       The one without a name is of no target: at 0, and its ranges are what was given up:
//       dropped, or damaged before any target had it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "broker/position_ranges.h"
#include "io/event_log.h"
#include "io/event_loop.h"
#include "stream/engine.h"
#include "stream/origin.h"

namespace spillway::broker {

// The last record of a lane.
struct LaneMark {
  stream::ProducerId producer{};  // 0: which one it was isn't known
  std::uint64_t sequence = 0;
  bool is_known() const { return producer != stream::ProducerId(); }
  friend bool operator==(const LaneMark&, const LaneMark&) = default;
};
using LaneMarks = std::map<std::uint8_t, LaneMark>;

struct Cursor {
  stream::Position next;
  LaneMarks lanes;
  PositionRanges unsent;  // before `next`, to the target; disjoint, rising
  // Before `next`, to any: only of the furthest of a shard's cursors is it what there is now.
  PositionRanges left_behind;
  friend bool operator==(const Cursor&, const Cursor&) = default;
};
using CursorKey = std::pair<stream::ShardId, std::string>;  // and the target's name
using CursorTable = std::map<CursorKey, Cursor>;
// Whether a shard is where `one` says, rather than where `other` does. What is left behind only
// becomes less where the shard stays.
bool is_further(const Cursor& one, const Cursor& other);

struct CursorRecord {
  stream::Position whole_at;
  CursorTable cursors;
};
std::string encode(const CursorRecord& record);
// kCorrupt; kUnsupported: a newer version.
Result<CursorRecord> decode_cursors(std::string_view data);

// On the loop's thread; destroyed when the loop runs no more, or after settle(). What it is handed
// outlives it.
class Cursors {
 public:
  // Every cursor is written after each so many other records.
  static constexpr std::uint64_t kWholeEvery = 256;
  // Of a record's data; a frame of the journal takes far more.
  static constexpr std::size_t kRecordBytesMax = std::size_t{256} << 10;
  // Beyond that many ranges, those that are nearest to each other become one, with what was sent
  // between them.
  static constexpr std::size_t kUnsentMax = 64;
  // Of a shard, dropped: the latest. Of a request that was cut, every second record may be one.
  static constexpr std::size_t kDroppedMax = 4096;

  Cursors(io::EventLoop& loop, stream::Engine& engine, io::EventLog& log);

  // Reads what is stored in `shard`. Once, before all else. Damage there is told in the log, and
  // then cursors are where they are known to have been, or at the beginning.
  Task<Status> load(stream::ShardId shard);

  // At the shard's beginning where nothing is known.
  Cursor at(stream::ShardId shard, const std::string& target) const;
  // Of all targets, be they configured or not, the one that is furthest in the shard.
  Cursor furthest(stream::ShardId shard) const;
  // Where that one is.
  stream::Position reached(stream::ShardId shard) const;
  // What is before was delivered, and a restart finds that: it sends nothing of it.
  stream::Position kept(stream::ShardId shard) const;
  // Likewise to so many of these targets, each of which has all of it, or goes without it.
  struct Copy {
    std::string target;
    PositionRanges without;
  };
  // `copies`: from 1 to all of them.
  stream::Position kept_by(stream::ShardId shard, std::span<const Copy> targets,
                           std::size_t copies) const;
  // From now on the target goes on from `from`; what it has not been sent before that is noted.
  void take_over(stream::ShardId shard, const std::string& target, const Cursor& from);
  // What is before `next` was delivered; `lanes`: of what this added.
  void advance(stream::ShardId shard, const std::string& target, stream::Position next,
               const LaneMarks& lanes);
  // The furthest one goes on at `next`, at the target that has it. What it passes over is left
  // behind; what precedes the next records of `lanes` isn't known.
  void leave_behind(stream::ShardId shard, const std::string& target, stream::Position next,
                    LaneMarks lanes);
  // What no target was sent of what is before the furthest cursor.
  PositionRanges left_behind(stream::ShardId shard) const;
  // What the target was not sent of what others were, before the furthest cursor.
  PositionRanges missing(stream::ShardId shard, const std::string& target) const;
  // No target misses these, which none was sent or will be.
  void give_up(stream::ShardId shard, PositionRange dropped);
  // Of what it was sent, it has nothing any more from `first` on.
  void lose(stream::ShardId shard, const std::string& target, stream::Position first);
  // It was sent these afterwards, be it what it missed or what was left behind.
  void fill(stream::ShardId shard, const std::string& target, PositionRange sent);
  // Whether what the target was sent of these is durable: a restart finds it.
  bool is_kept(stream::ShardId shard, const std::string& target, PositionRange range) const;
  // Where the shard of the cursors is read from: what is before isn't needed any more.
  stream::Position needed_from() const { return whole_at_; }
  stream::ShardId shard() const { return shard_; }
  // Calls `done` when all that was advanced is durable, or at the first failure from now on. Once.
  void settle(UniqueFunction<void(Status)> done);

 private:
  Task<Status> read_stored();
  const PositionRanges& dropped(stream::ShardId shard) const;
  // Records that hold every cursor together, while they are written, one by one.
  struct Whole {
    stream::Position first;
    CursorKey last;  // of the cursors that are written; before the first record: below all keys
  };

  bool whole_is_due() const { return !has_whole_ || next_.value - whole_end_.value >= kWholeEvery; }
  void moved(const CursorKey& key, stream::Position next, const LaneMarks& lanes);
  void write();
  CursorRecord next_of_whole();
  CursorTable next_moved();
  void keep(const CursorKey& key, const Cursor& cursor);
  void written(const Result<stream::Appended>& outcome, CursorTable sent);
  void told(Status status);

  io::EventLoop& loop_;
  stream::Engine& engine_;
  io::EventLog& log_;
  const std::unique_ptr<io::Timer> retry_;
  stream::ShardId shard_ = 0;
  stream::Position next_;       // of the record that is written next
  stream::Position whole_at_;   // of the last record, or the first of those, with every cursor
  stream::Position whole_end_;  // behind them
  bool has_whole_ = false;
  std::optional<Whole> whole_;  // being written
  CursorTable table_;
  CursorTable kept_;      // without lanes
  CursorTable moved_;     // and not being written
  CursorKey moved_last_;  // the last of them that was
  bool writing_ = false;
  bool failing_ = false;
  UniqueFunction<void(Status)> settled_;
};

}  // namespace spillway::broker
