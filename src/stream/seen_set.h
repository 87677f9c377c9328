// The records that a reader has handled, by their origins: how a copy is recognised, whatever
// region it is read from (DESIGN.md, "Records and their identity").
//
// What is committed with a reader's places is what was handled; what is being handled is known to
// this process alone. A copy of a record that is being handled holds back the place in its own
// region until that is done, and is handled instead where the first copy was abandoned.
//
// A mistake here loses a record or has it handled twice. Where memory ends, it is the latter: the
// set forgets. Of a gap that its producer gave up, though, nothing is waited for: it may be filled.
// Both are counted.
//
// Format, version 1 (integers little-endian, varints as in protobuf; also
// docs/formats/seen-set.md):
//   0  8   magic "SPWYSEEN"
//   8  u32 CRC32C of all that follows
//  12  u32 version = 1
//  16  u8  1: it is all that there is; 0: what changed
//  17      producers, each:
//            16      its id
//            u8      0: it was forgotten, and nothing follows; 1: what follows takes the place of
//                    what was known of these lanes
//            i64     arrival of its newest record, in milliseconds since 1970
//            varint  lanes, each (ascending):
//              u8      lane
//              varint  intervals (at least one), each (ascending):
//                        varint  its first sequence, less the last one of the interval before
//                        varint  sequences between the first and its `previous`
//                        varint  its last sequence, less the first
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "stream/origin.h"
#include "stream/sequence_intervals.h"

namespace spillway::stream {

struct SeenSetOptions {
  // Beyond either, each new gap closes another one of its lane.
  std::size_t lane_gaps_max = 64;
  std::size_t gaps_max = 1'000'000;  // of all lanes
  // Beyond, a new one takes the place of the one that was idle for longest, and of which nothing is
  // being handled: of as many as that, there may be more.
  std::size_t producers_max = 100'000;
};

// What a record is that was read.
enum class Sighting {
  kNew,           // to be handled, and then handled() or abandoned()
  kBeingHandled,  // a copy of one that is: offer it again when that is done
  kHandled,       // a copy of one that was
};

// Not thread-safe. Memory: 40 bytes a lane, 24 a gap, 64 a record that is being handled, of which
// the reader bounds the number.
class SeenSet {
 public:
  explicit SeenSet(SeenSetOptions options = {}) : options_(options) {}

  // A record that was read; `arrival` is its region's.
  Sighting offer(const Origin& origin, WallTime arrival);
  // What became of a record that was new.
  void handled(const Origin& origin);
  void abandoned(const Origin& origin);
  // Whether what its producer sent before it in its lane was handled: then a reader that hands over
  // in order may hand it over. What was handled and is forgotten counts as not handled.
  bool is_next(const Origin& origin) const;
  // The newest sequence of its producer and lane that was handled; 0: none that is known.
  std::uint64_t newest(const Origin& origin) const;

  // Forgets the producers without a record that arrived at `time` or later, or one that is being
  // handled. Copies of theirs are new then: `time` should lie back, from where all of the reader's
  // places are, as long as records are retained in any region that is read.
  void forget_idle(WallTime time);

  // What apply() takes: all of it, or only what changed since either was called last. If what
  // changes() gave isn't committed, a snapshot() must come next.
  std::string snapshot();
  std::string changes();
  // In the place of what is known, or on top of it. kUnsupported: of a newer version; kCorrupt.
  // Then nothing changed.
  Status apply(std::string_view bytes);

  std::size_t producers() const { return producers_.size(); }
  std::size_t gaps() const { return gaps_; }
  std::size_t being_handled() const { return handling_.size(); }

  // Since it was made.
  struct Counts {
    std::uint64_t gaps_filled = 0;        // of which a late record would be taken for a copy
    std::uint64_t records_forgotten = 0;  // of which a late copy would be new
    std::uint64_t producers_forgotten = 0;
    std::uint64_t producers_pushed_out = 0;  // for want of room: copies of theirs would be new
  };
  const Counts& counts() const { return counts_; }

 private:
  struct Lane {
    SequenceIntervals handled;
    std::uint8_t number = 0;
    bool changed = false;
  };
  struct Producer {
    WallTime newest{};
    std::vector<Lane> lanes;  // ascending
    bool changed = false;     // itself, or a lane of it
  };
  struct Hash {
    std::size_t operator()(const ProducerId& producer) const;
    std::size_t operator()(const Origin& origin) const;
  };
  // Of one record, whatever its copy says of the one before.
  struct SameRecord {
    bool operator()(const Origin& a, const Origin& b) const;
  };
  using Producers = std::unordered_map<ProducerId, Producer, Hash>;

  static const Lane* find_lane(const Producer& producer, std::uint8_t number);
  static Lane& lane(Producer& producer, std::uint8_t number);
  bool was_handled(const Origin& origin, std::uint64_t sequence) const;
  // Those with a record that is being handled.
  std::unordered_set<ProducerId, Hash> busy() const;
  void make_room();
  void forget(Producers::iterator producer);
  void erase(Producers::iterator producer);
  // Closes gaps of a lane that had `before` of them.
  void bound(Lane& lane, std::size_t before);
  std::string encode(bool whole);
  struct Told {
    bool whole = false;
    std::vector<std::pair<ProducerId, std::optional<Producer>>> producers;  // none: forgotten
  };
  static Result<Producer> read_producer(ByteReader& reader);
  static Result<Told> decode(std::string_view bytes);

  SeenSetOptions options_;
  Producers producers_;
  std::unordered_set<Origin, Hash, SameRecord> handling_;
  std::vector<ProducerId> forgotten_;  // since snapshot() or changes()
  bool snapshot_due_ = false;          // so many were that they aren't told one by one
  std::size_t gaps_ = 0;
  Counts counts_;
};

}  // namespace spillway::stream
