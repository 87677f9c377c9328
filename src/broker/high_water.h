// The highest sequence number that a target has acknowledged in each shard: what shows that it was
// set back. A region whose disk was restored from an older state gives numbers again that it has
// given before: it lacks what it acknowledged under them.
//
// Answers overtake each other, since several requests to a shard are under way at once. So what an
// answer brings is held against what had been acknowledged when its request was sent.
//
// What is remembered may be older than the truth, after a crash of the broker or where its own
// backup was restored: then less is noticed, and nothing that isn't so. A time that lies ahead of
// the clock is that of a clock that is or was wrong: it isn't known when that was.
//
// Format of the file, version 1 (docs/formats/high-water.md): the line "spillway high water 1 CRC",
// CRC being the CRC32C of everything behind that line as 8 hexadecimal digits, then one JSON object
// a line for each shard, sorted by target, stream and shard: "target", "address", "stream",
// "shard", "sequence" (decimal digits), "at" (RFC 3339, UTC, milliseconds).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "client/kinesis_client.h"
#include "io/disk.h"

namespace spillway::broker {

struct HighWater {
  std::string sequence_number;
  WallTime at{};  // when it was acknowledged
  friend bool operator==(const HighWater&, const HighWater&) = default;
};
using StreamShard = std::pair<std::string, std::string>;
struct TargetHighWater {
  std::string address;  // of the target then: another one is another region
  std::map<StreamShard, HighWater> shards;
  friend bool operator==(const TargetHighWater&, const TargetHighWater&) = default;
};
using HighWaters = std::map<std::string, TargetHighWater>;  // by the target's name

// A clock may be off by so much. Not in nanoseconds, of which there are too few for any two times.
inline constexpr std::chrono::hours kClockOff{1};
inline bool is_ahead(WallTime at, WallTime now) { return at - now > kClockOff; }

// A target without shards isn't written.
std::string encode(const HighWaters& marks);
// kUnsupported for a newer version, kCorrupt saying what is wrong.
Result<HighWaters> decode_high_waters(std::string_view text);

// One thread; calls block on the disk.
class HighWaterFile {
 public:
  HighWaterFile(io::Disk& disk, std::string path) : disk_(disk), path_(std::move(path)) {}
  // An error: nothing is known, and the next store() replaces what is there.
  Status load();
  TargetHighWater of(const std::string& target) const;
  // Durable when it returns.
  Status store(HighWaters marks);

 private:
  io::Disk& disk_;
  const std::string path_;
  HighWaters marks_;
};

// Of one target. One thread.
class HighWaterMarks {
 public:
  // Beyond that many shards those are forgotten that were written to longest ago.
  static constexpr std::size_t kShardsMax = 10'000;

  // `ordered`: of a region of Spillway, which gives each request higher numbers than were
  // acknowledged before it was sent. Amazon Kinesis orders records of different requests coarsely,
  // so there numbers alone show nothing.
  explicit HighWaterMarks(bool ordered) : ordered_(ordered) {}

  void restore(const TargetHighWater& kept);
  TargetHighWater kept() const;
  // From now on the target is at this address: where it was at another one, nothing is known of it.
  void move_to(const std::string& address);
  // Requests under way bring nothing from now on, either.
  void forget();
  void forget(const std::string& stream);
  // Other streams are no longer written to.
  void keep_only(const std::set<std::string>& streams);

  // Of a request, when it is sent.
  struct Sent {
    std::uint64_t era = 0;
    std::uint64_t answers = 0;
  };
  // Each sent() has one end: answered(), or unanswered().
  Sent sent();
  enum class Kind {
    kBehind,   // the number was given before
    kAnother,  // the shard isn't the one that it was: the stream was made anew
  };
  struct Finding {
    Kind kind = Kind::kBehind;
    std::string what;  // for people
  };
  // Entries that failed say nothing. The first finding, where there is one; the marks stay then.
  std::optional<Finding> answered(const Sent& sent, const std::string& stream,
                                  const std::vector<client::PutOutcome>& outcomes, WallTime now);
  void unanswered(const Sent& sent);

  struct Last {
    std::string stream;
    std::string shard;
    HighWater mark;
  };
  // The last record that the target acknowledged in the stream; for `canaries`, in any other one.
  // Where that isn't known of some shards, of the others.
  std::optional<Last> last(const std::string& stream, const std::string& canaries,
                           WallTime now) const;
  // Rises when everything is forgotten.
  std::uint64_t era() const { return era_; }

  // Rises with each change of kept().
  std::uint64_t changes() const { return changes_; }

 private:
  struct Rise {
    std::uint64_t answers = 0;  // so many had come, this one included
    std::string number;
  };
  struct Shard {
    std::vector<Rise> rises;  // those that requests under way have to be held against; never empty
    WallTime at{};
  };
  using Shards = std::map<StreamShard, Shard>;

  void end(const Sent& sent);
  std::optional<Finding> compare(const StreamShard& key, const std::string& number,
                                 std::uint64_t answers) const;
  void raise(const StreamShard& key, std::string_view number, WallTime now);
  void bound(WallTime now);

  const bool ordered_;
  std::string address_;
  Shards shards_;
  std::uint64_t era_ = 0;
  std::uint64_t answers_ = 0;
  std::multiset<std::uint64_t> under_way_;  // Sent::answers of this era
  std::uint64_t changes_ = 0;
};

}  // namespace spillway::broker
