// What a correct pipeline may show, given what producers were told: a checker that knows the
// records that were put, what became of each put, what regions store, and what the reader's
// application was handed and has committed; nothing of spools, cursors or sets.
//
//   - A record that was acknowledged, and not dropped by a full spool that is told to, is stored by
//     some region in the end, and was handed over once, counted to the reader's commits. Others may
//     be, too, but no more often.
//   - What is stored or handed over was put, as it was put, and has one origin for ever, which
//     names no other record.
//   - Under kOrdered the records of a producer's lane are handed over in the order of their
//     sequences, but for those that are marked as late: where gaps may be given up, and what was
//     dropped while a request with it, which nobody waited for any more, was still on its way.
#pragma once

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
  bool read = true;   // false: of a stream that nobody reads
};

class BrokerModel {
 public:
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

  void stored(std::size_t region, const client::PutEntry& entry);
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
  // Whether what was acknowledged by the spool before `next`, of the shard of these lanes, is in
  // the region, but for `unsent` ranges of positions.
  using Range = std::pair<stream::Position, stream::Position>;
  Status check_sent(std::size_t region, Spool spool, std::uint8_t first_lane,
                    std::uint8_t last_lane, stream::Position next,
                    const std::vector<Range>& unsent) const;

  std::uint64_t puts() const { return records_.size(); }
  std::uint64_t acknowledged() const { return acknowledged_; }
  std::uint64_t handed_over() const { return handed_over_; }  // and committed
  std::uint64_t handed_over_again() const { return again_; }  // after a crash of the reader
  std::uint64_t copies() const { return copies_; }            // stored more than once
  std::uint64_t dropped() const { return dropped_; }          // that no region had by then

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
    std::uint32_t regions = 0;  // a bit for each that stores it
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
  std::map<LaneKey, std::uint64_t> newest_;            // handed over
  std::map<LaneKey, std::uint64_t> newest_committed_;  // likewise
  std::uint64_t acknowledged_ = 0;
  std::uint64_t handed_over_ = 0;
  std::uint64_t again_ = 0;
  std::uint64_t copies_ = 0;
  std::uint64_t dropped_ = 0;
  Status wrong_;
};

}  // namespace spillway::sim
