// Records of a shard of the spool that follow one another, as they are sent: with the sequences
// before theirs in their lanes.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "broker/cursors.h"
#include "broker/spool_batch.h"

namespace spillway::broker {

class ShardBatch {
 public:
  ShardBatch() = default;
  // `before`, which outlives it: what precedes it in its lanes. Of one that isn't there nothing
  // does, or, where not all are `known`, the sequence before its first.
  ShardBatch(SpoolBatch taken, const LaneMarks& before, bool known);

  bool empty() const { return entries_.empty(); }
  const std::vector<client::PutEntry>& entries() const { return entries_; }
  stream::Position first() const { return first_; }  // the others follow without a gap
  stream::Position next() const { return next_; }
  // Of the entries before `next`, and what was before them, but for those that are given up.
  const LaneMarks& lanes() const { return lanes_; }
  LaneMarks take_lanes() { return std::move(lanes_); }

  // Those that aren't given up.
  Pending all() const;
  // No target is sent these, and no later one names them.
  void give_up(const Pending& numbers);
  // What is from `end` on is no part of it any more.
  void cut(stream::Position end);

 private:
  void link();

  std::vector<client::PutEntry> entries_;
  std::vector<bool> given_up_;  // of each entry
  stream::Position first_;
  stream::Position next_;
  const LaneMarks* before_ = nullptr;
  bool known_ = true;
  LaneMarks lanes_;
};

}  // namespace spillway::broker
