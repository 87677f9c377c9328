// What a correct pipeline may show, given what producers were told: a checker that knows the
// records that were put, what became of each put, what regions store, and what the reader's
// application was handed and has committed; nothing of spools, cursors or sets.
//
//   - A record that was acknowledged, and not dropped by a full spool that is told to, is stored by
//     some region in the end, and was handed over once, counted to the reader's commits. Others may
//     be, too, but no more often.
//   - What a region loses that is set back to a backup is asked of regions no more, but of cursors:
//     once the broker has noticed, they say that the region lacks it, as far as the spool kept it.
//     What a region stores where the reader has passed is asked of the reader no more.
//   - What is stored or handed over was put, as it was put, and has one origin for ever, which
//     names no other record.
//   - Under kOrdered the records of a producer's lane are handed over in the order of their
//     sequences, but for those that are marked as late: where gaps may be given up, and what was
//     dropped while a request with it, which nobody waited for any more, was still on its way.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "client/regions_merge.h"
#include "stream/engine.h"

namespace spillway::sim {

struct ModelRules {
  std::size_t regions = 2;
  bool ordered = false;
  bool gaps = false;  // are given up: records may be late
  // A backlog may be left behind: a lane that the reader hadn't seen begins where that ends.
  bool live_first = false;
  bool read = true;  // false: of a stream that nobody reads
};

class BrokerModel {
 public:
  static constexpr std::size_t kRegionsMax = 3;
  using Number = std::uint64_t;  // of a record, from 0 on
  using Spool = std::uint32_t;   // a number of its own

  explicit BrokerModel(ModelRules rules) : rules_(rules) {}

  // --- Producers

  struct Put {
    Number number = 0;
    std::string key;
    std::string data;
  };
  // A record that is about to be put. Poison: regions refuse it for what it is.
  Put put(std::string key, std::size_t size, bool poison);
  // It is accepted by a spool. `position`: in its shard there.
  void acknowledged(Number number, Spool spool, stream::Position position, MonoTime now);
  // The spool is again what it was at `backup`: what it acknowledged since then, and is in no
  // region yet, is lost. Positions mean others now.
  void restored(Spool spool, MonoTime backup);

  // The spool was full, and drops what it has of these lanes in [first, next): no region has to
  // have it, and cursors pass over it.
  void dropped(Spool spool, std::uint8_t first_lane, std::uint8_t last_lane, stream::Position first,
               stream::Position next);

  // --- Regions and the reader

  // `passed`: as SimRegion's.
  void stored(std::size_t region, const client::PutEntry& entry, bool passed = false);
  // The region was set back, and lacks a copy that it had stored.
  void lost(std::size_t region, const client::PutEntry& entry, bool passed);
  // The spool's broker has noticed that the region was set back.
  void noticed(std::size_t region, Spool spool);
  // Handled by the reader's application, not committed yet.
  void handed_over(const client::RegionRecord& record);
  void committed();
  // What was not committed will be handed over again.
  void reader_crashed();

  // --- What was found

  // The first thing that was wrong.
  const Status& wrong() const { return wrong_; }
  // Whether everything that was promised has come about.
  bool complete() const;
  // What is missing to that; ok where nothing is.
  Status missing() const;
  // What a spool's cursor says of a shard, which has these lanes: that the region has what is
  // before `next`, but for `unsent` ranges. The spool holds nothing before `oldest` any more.
  using Range = std::pair<stream::Position, stream::Position>;
  struct Sent {
    std::uint8_t first_lane = 0;
    std::uint8_t last_lane = 255;
    stream::Position next;
    std::vector<Range> unsent;
    stream::Position oldest;
  };
  Status check_sent(std::size_t region, Spool spool, const Sent& sent) const;

  std::uint64_t puts() const { return records_.size(); }
  std::uint64_t acknowledged() const { return acknowledged_; }
  std::uint64_t handed_over() const { return handed_over_; }  // and committed
  std::uint64_t handed_over_again() const { return again_; }  // after a crash of the reader
  std::uint64_t copies() const { return copies_; }            // stored more than once
  std::uint64_t dropped() const { return dropped_; }          // that no region had by then
  std::uint64_t lost() const { return lost_; }                // copies, by regions set back

 private:
  struct Record {
    std::string key;
    std::string data;
    std::uint8_t lane = 0;
    bool poison = false;
    bool excused = false;
    bool dropped = false;
    std::optional<MonoTime> acknowledged;
    Spool spool = 0;
    std::optional<stream::Position> position;
    // Of regions, a bit each: which store it, and ever did; lost it, and the broker may not know.
    std::uint32_t regions = 0;
    std::uint32_t ever = 0;
    std::uint32_t lost = 0;
    std::uint32_t unnoticed = 0;
    std::uint32_t unpassed = 0;  // copies that the reader comes by
    std::array<std::uint32_t, kRegionsMax> copies{};
    std::optional<stream::Origin> origin;
    bool handed_over = false;
    bool committed = false;
    std::uint64_t times = 0;  // handed over
  };
  using LaneKey = std::pair<stream::ProducerId, std::uint8_t>;
  using Name = std::pair<LaneKey, std::uint64_t>;

  static bool promised(const Record& record);
  void fault(std::string what);
  // The record that has this data; nullptr, and a fault, where there is none.
  Record* find(std::string_view where, const std::string& key, const std::string& data,
               const std::optional<stream::Origin>& origin);
  void check_order(const client::RegionRecord& record, bool dropped);

  const ModelRules rules_;
  std::vector<Record> records_;
  std::map<Name, Number> named_;
  std::vector<Number> uncommitted_;
  struct HandedOver {
    std::uint64_t first = 0;  // of all, the one that came first
    std::uint64_t newest = 0;
  };
  std::map<LaneKey, HandedOver> lanes_;
  std::map<LaneKey, HandedOver> lanes_committed_;
  std::uint64_t acknowledged_ = 0;
  std::uint64_t handed_over_ = 0;
  std::uint64_t again_ = 0;
  std::uint64_t copies_ = 0;
  std::uint64_t dropped_ = 0;
  std::uint64_t lost_ = 0;
  Status wrong_;
};

}  // namespace spillway::sim
