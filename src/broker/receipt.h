// What one switch, or return, left open, and what has become of it: for each shard of the spool.
// Where a shard's records are is told by the cursors (cursors.h), over restarts too; a receipt
// keeps what they don't tell later: how things were at the switch, and when each was resolved.
//
// Format, version 1 (docs/formats/switch-receipt.md): the line "spillway switch receipt 1 CRC", CRC
// being the CRC32C of everything behind that line as 8 hexadecimal digits, then JSON objects, one a
// line: the switch ("id", "time", "action", "from", "to", "who", "reason"), and each shard
// ("stream", "number", "id", "at", "tip", "in_flight_end", "in_flight", "acknowledged",
// "left_behind": 0 where there is none, "old_only", "resolved": four times, empty where it isn't,
// in the order of Matter). Times are RFC 3339, UTC, with milliseconds.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "broker/position_ranges.h"
#include "broker/switch_event.h"
#include "stream/catalog.h"

namespace spillway::broker {

// What a switch leaves open. "Old" is the target before, "new" the one from then on.
enum class Matter : std::uint8_t {
  kInFlight,  // sent to the old one, in requests that were not all acknowledged: sent again
  kSpool,     // in the spool alone, in flight or not
  kOldOnly,   // the old one has it, of what was before, and the new one lacks it
  kNewOnly,   // the new one has it, of what it took until the next switch, and the old one lacks it
};
inline constexpr std::size_t kMatters = 4;
std::string_view to_string(Matter matter);

// How a shard is at a switch: what a receipt begins with.
struct ShardUnderWay {
  std::string stream;
  std::uint32_t number = 0;  // of the shard, in its stream in the spool
  stream::ShardId id = 0;
  // What is before was acknowledged by some target, but for what was left behind.
  stream::Position at;
  stream::Position tip;  // of the spool
  // Behind the records of the request under way; before `at` where they had been left behind. `at`
  // where there is none.
  stream::Position in_flight_end;
  std::uint64_t in_flight = 0;     // records of it that were sent
  std::uint64_t acknowledged = 0;  // of those
  std::uint64_t left_behind = 0;   // records before `at`, in flight or not
};

struct ReceiptShard {
  ShardUnderWay before;
  std::uint64_t old_only = 0;  // at the switch
  std::array<std::optional<WallTime>, kMatters> resolved;

  bool is_resolved() const;
};

struct Receipt {
  std::uint64_t id = 0;
  WallTime time{};
  SwitchAction action = SwitchAction::kSwitch;
  std::string from;
  std::string to;
  std::string who;
  std::string reason;
  std::map<stream::ShardId, ReceiptShard> shards;
};

std::string encode(const Receipt& receipt);
// kUnsupported for a newer version, kCorrupt saying what is wrong.
Result<Receipt> decode_receipt(std::string_view text);

// What the cursors and the spool say of a shard now.
struct ShardPlaces {
  stream::Position furthest;
  PositionRanges old_lacks;  // before `furthest`
  PositionRanges new_lacks;
  std::optional<stream::Position> until;  // of the next switch, once there was one
  stream::Position oldest;                // what is before is no longer in the spool
  PositionRanges left_behind{};           // before `furthest`, no target has these
};

struct MatterFigures {
  std::uint64_t records = 0;  // at first; of kNewOnly, so far
  std::uint64_t open = 0;
  std::uint64_t gone = 0;            // of those, no longer in the spool
  std::optional<WallTime> resolved;  // the latest, where all are
  bool is_resolved = true;
};
struct ReceiptFigures {
  std::array<MatterFigures, kMatters> matters;
  std::uint64_t acknowledged = 0;  // of what was in flight, by the old target
  std::uint64_t sent_twice = 0;

  MatterFigures& of(Matter matter) { return matters[static_cast<std::size_t>(matter)]; }
  void add(const ReceiptFigures& other);
  bool is_resolved() const;
};
// What the old target has now of what was before the switch, and the new one lacks.
PositionRanges old_only_of(const ShardUnderWay& before, const ShardPlaces& places);
ReceiptFigures figures_of(const ReceiptShard& shard, const ShardPlaces& places);
// Notes what is no longer open. Whether that was anything.
bool resolve(ReceiptShard& shard, const ShardPlaces& places, WallTime now);

}  // namespace spillway::broker
