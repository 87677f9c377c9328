#include "client/regions_merge.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "base/random.h"

namespace spillway::client {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

MonoTime at(int ms) { return MonoTime(milliseconds(ms)); }

// The shard's records have the numbers 100, 101, …
std::string number(std::size_t index) { return std::to_string(100 + index); }

Record record(std::size_t index, std::uint64_t sequence, std::uint64_t previous,
              std::uint8_t lane = 1) {
  stream::Origin origin{.lane = lane, .sequence = sequence, .previous = previous};
  origin.producer[0] = 7;
  return {number(index), "key", fmt::format("{}.{}", lane, sequence), from_millis(1000), origin};
}
Record record(std::size_t index, std::uint64_t sequence) {
  return record(index, sequence, sequence - 1);
}
Record plain(std::size_t index, std::string data) {
  return {number(index), "key", std::move(data), from_millis(1000)};
}

std::vector<std::string> taken(RegionsMerge& merge) {
  std::vector<std::string> all;
  for (auto batch = merge.take(100, 1000); !batch.empty(); batch = merge.take(100, 1000)) {
    for (auto& each : batch) all.push_back(each.record.data + (each.late ? " late" : ""));
    merge.handled();
  }
  return all;
}

// Two regions with a shard "s" each, which begin to be read.
class RegionsMergeTest : public testing::Test {
 protected:
  void make(RegionsMergeOptions options) {
    merge_.emplace(2, options);
    merge_->add(0, "s");
    merge_->add(1, "s");
  }
  void make(RegionsMode mode) { make(RegionsMergeOptions{.mode = mode}); }
  void give(std::size_t region, std::vector<Record> records, int ms = 0) {
    merge_->give(region, "s", std::move(records), at(ms));
  }
  void tips(int ms) {
    for (const std::size_t region : {0U, 1U}) merge_->at_tip(region, "s", at(ms));
  }
  std::string place(std::size_t region) { return merge_->places(region)["s"].all; }

  std::optional<RegionsMerge> merge_;
};

TEST_F(RegionsMergeTest, ACopyIsDroppedAndHoldsItsPlaceUntilTheFirstIsHandled) {
  make(RegionsMode::kAvailable);
  give(0, {record(0, 1), record(1, 2)});
  give(1, {record(0, 2), plain(1, "plain")});
  const auto batch = merge_->take(1, 1000);
  ASSERT_EQ(batch.size(), 1u);
  EXPECT_EQ(batch[0].region, 0u);
  EXPECT_EQ(batch[0].shard_id, "s");
  EXPECT_THAT(merge_->take(1, 1000), IsEmpty()) << "before handled()";
  EXPECT_EQ(place(0), "");
  merge_->handled();
  EXPECT_EQ(place(0), number(0));
  EXPECT_EQ(place(1), "") << "its copy of 2 isn't handled yet";
  EXPECT_THAT(taken(*merge_), ElementsAre("1.2", "plain"));
  EXPECT_EQ(place(1), number(1));
  give(1, {record(2, 1)});
  EXPECT_THAT(taken(*merge_), IsEmpty());
  EXPECT_EQ(place(1), number(2));
  EXPECT_EQ(merge_->counts().copies, 2u);
  EXPECT_EQ(merge_->counts().plain, 1u);
}

// Those of an aggregate: read again, it would give all of them.
TEST_F(RegionsMergeTest, ThePlaceIsBeforeRecordsOfOneSequenceNumberUntilAllAreHandled) {
  make(RegionsMode::kAvailable);
  give(0, {record(0, 1), record(1, 2), record(1, 3), record(1, 4), record(2, 5)});
  EXPECT_EQ(merge_->take(3, 1000).size(), 3u);
  merge_->handled();
  EXPECT_EQ(place(0), number(0));
  EXPECT_EQ(merge_->take(1, 1000)[0].record.sequence_number, number(1));
  merge_->handled();
  EXPECT_EQ(place(0), number(1));
  give(1, {record(0, 1), record(1, 4), record(1, 5), record(1, 6)});
  EXPECT_EQ(place(1), number(0)) << "of its aggregate, 5 and 6 are not handled";
  EXPECT_THAT(taken(*merge_), ElementsAre("1.5", "1.6"));
  EXPECT_EQ(place(1), number(1));
}

TEST_F(RegionsMergeTest, SettledPartsOfAnAggregateAreForgottenWithItsPlaceKept) {
  make(RegionsMode::kOrdered);
  std::vector<Record> records{record(0, 9, 8, 2)};  // waits
  for (std::uint64_t i = 1; i < 3000; ++i) records.push_back(record(1 + i / 4, i));
  give(0, std::move(records));
  EXPECT_EQ(taken(*merge_).size(), 2999u);
  give(0, {record(2000, 3000), record(2000, 3001), record(2001, 10, 9, 2)});
  EXPECT_EQ(merge_->take(1, 1000).size(), 1u);
  merge_->handled();
  EXPECT_EQ(place(0), "");
  give(1, {record(0, 8, 0, 2)});
  taken(*merge_);
  EXPECT_EQ(place(0), number(2001));
}

TEST_F(RegionsMergeTest, AvailableMarksWhatIsLate) {
  make(RegionsMode::kAvailable);
  give(0, {record(0, 5)});
  give(1, {record(0, 4)});
  EXPECT_THAT(taken(*merge_), ElementsAre("1.5", "1.4 late"));
  give(1, {record(1, 3)});
  EXPECT_THAT(taken(*merge_), ElementsAre("1.3 late")) << "by what was handled";
  EXPECT_EQ(merge_->counts().late, 2u);
}

TEST_F(RegionsMergeTest, ABatchIsBounded) {
  make(RegionsMode::kAvailable);
  give(0, {record(0, 1), record(1, 2), record(2, 3)});
  EXPECT_EQ(merge_->take(10, 12).size(), 2u) << "of 6 bytes each";
  merge_->handled();
  EXPECT_TRUE(merge_->holds(0, "s"));
  EXPECT_EQ(merge_->take(10, 1).size(), 1u) << "one goes, however large";
  EXPECT_FALSE(merge_->holds(0, "s"));
}

TEST_F(RegionsMergeTest, OrderedWaitsForThePreviousFromAnotherRegion) {
  make(RegionsMode::kOrdered);
  give(1, {record(0, 3), plain(1, "plain"), record(2, 1, 0, 2), record(3, 4)});
  EXPECT_THAT(taken(*merge_), ElementsAre("plain", "2.1"));
  EXPECT_EQ(place(1), "");
  EXPECT_EQ(merge_->places(1)["s"].plain, number(1));
  EXPECT_FALSE(merge_->holds(1, "s")) << "others' lanes go on";
  give(0, {record(0, 1), record(1, 2)});
  EXPECT_THAT(taken(*merge_), ElementsAre("1.1", "1.2", "1.3", "1.4"));
  EXPECT_EQ(place(1), number(3));
  EXPECT_EQ(merge_->counts().gaps_given_up, 0u);
}

TEST_F(RegionsMergeTest, WhatItsProducerGaveUpIsNotWaitedFor) {
  make(RegionsMode::kOrdered);
  give(0, {record(0, 1), record(1, 4, 3)});
  EXPECT_THAT(taken(*merge_), ElementsAre("1.1"));
  give(1, {record(0, 4, 1)});
  EXPECT_THAT(taken(*merge_), ElementsAre("1.4")) << "as a copy says that was sent later";
  give(0, {record(2, 6, 5)});
  give(1, {record(1, 7, 4)});
  EXPECT_THAT(taken(*merge_), ElementsAre("1.6", "1.7")) << "5 never comes, 6 did";
}

TEST_F(RegionsMergeTest, ALaneBeginsWhereNoRegionHasMore) {
  make(RegionsMode::kOrdered);
  give(1, {record(0, 5)}, 10);
  merge_->look(at(20));
  merge_->at_tip(0, "s", at(10));
  merge_->at_tip(1, "s", at(30));
  merge_->look(at(40));
  EXPECT_THAT(taken(*merge_), IsEmpty()) << "that look at region 0 began before";
  merge_->at_tip(0, "s", at(11));
  merge_->look(at(40));
  EXPECT_THAT(taken(*merge_), ElementsAre("1.5"));
  EXPECT_EQ(merge_->counts().gaps_given_up, 0u);
}

TEST_F(RegionsMergeTest, ARegionThatWasNeverReadIsWaitedForUnlessItIsAway) {
  merge_.emplace(2, RegionsMergeOptions{.mode = RegionsMode::kOrdered, .gap_wait = seconds(1)});
  merge_->add(1, "s");
  give(1, {record(0, 5)});
  merge_->at_tip(1, "s", at(1));
  merge_->look(at(5000));
  EXPECT_THAT(taken(*merge_), IsEmpty());
  merge_->set_away(0, true);
  merge_->look(at(999));
  EXPECT_THAT(taken(*merge_), IsEmpty());
  merge_->look(at(1000));
  EXPECT_THAT(taken(*merge_), ElementsAre("1.5"));
  EXPECT_EQ(merge_->counts().gaps_given_up, 1u);
}

TEST_F(RegionsMergeTest, AGapIsGivenUpAfterItsTimeAndWhatComesThenIsLate) {
  make(RegionsMergeOptions{.mode = RegionsMode::kOrdered, .gap_wait = seconds(1)});
  give(0, {record(0, 1)});
  EXPECT_THAT(taken(*merge_), ElementsAre("1.1"));
  give(1, {record(0, 4), record(1, 5)}, 100);
  tips(200);
  merge_->look(at(1099));
  EXPECT_THAT(taken(*merge_), IsEmpty());
  merge_->look(at(1100));
  EXPECT_THAT(taken(*merge_), ElementsAre("1.4", "1.5"));
  EXPECT_EQ(merge_->counts().gaps_given_up, 1u);
  give(0, {record(1, 2), record(2, 3)}, 1200);
  EXPECT_THAT(taken(*merge_), ElementsAre("1.2 late", "1.3 late"));
}

TEST_F(RegionsMergeTest, WhoIsStillReadingABacklogIsWaitedForLongerThanThat) {
  make(RegionsMergeOptions{.mode = RegionsMode::kOrdered, .gap_wait = seconds(1)});
  give(0, {record(0, 1)});
  give(1, {record(0, 3)});
  merge_->at_tip(1, "s", at(9000));
  merge_->look(at(10'000));
  EXPECT_THAT(taken(*merge_), ElementsAre("1.1"));
  give(0, {record(1, 2)}, 11'000);
  EXPECT_THAT(taken(*merge_), ElementsAre("1.2", "1.3"));
}

TEST_F(RegionsMergeTest, AtTheBoundAShardIsNotReadOnForARegionThatIsAway) {
  make(RegionsMergeOptions{.mode = RegionsMode::kOrdered, .waiting_max = 2});
  give(0, {record(0, 1)});
  EXPECT_THAT(taken(*merge_), ElementsAre("1.1"));
  merge_->set_away(0, true);
  give(1, {record(0, 3)});
  EXPECT_FALSE(merge_->holds(1, "s"));
  give(1, {record(1, 4)});
  EXPECT_TRUE(merge_->holds(1, "s"));
  merge_->look(at(50'000));
  EXPECT_THAT(taken(*merge_), IsEmpty());
  merge_->set_away(0, false);
  give(0, {record(1, 2)});
  EXPECT_THAT(taken(*merge_), ElementsAre("1.2", "1.3", "1.4"));
  EXPECT_FALSE(merge_->holds(1, "s"));
}

TEST_F(RegionsMergeTest, AtTheBoundAGapIsGivenUpWhereNobodyCanFillIt) {
  make(RegionsMergeOptions{.mode = RegionsMode::kOrdered, .waiting_bytes_max = 12});
  give(0, {record(0, 1), record(1, 1, 0, 2)});
  give(1, {record(0, 3), record(1, 3, 2, 2)}, 10);
  EXPECT_TRUE(merge_->holds(1, "s"));
  merge_->look(at(20));
  EXPECT_THAT(taken(*merge_), ElementsAre("1.1", "2.1")) << "region 0 may have it";
  merge_->at_tip(0, "s", at(30));
  merge_->look(at(40));
  EXPECT_THAT(taken(*merge_), ElementsAre("1.3")) << "the oldest, and then there is room";
  EXPECT_EQ(merge_->counts().gaps_given_up, 1u);
}

TEST_F(RegionsMergeTest, TheEndHandsOverWhatWaits) {
  make(RegionsMode::kOrdered);
  give(0, {record(0, 1), record(1, 5), record(2, 3), record(3, 9, 8, 2)});
  EXPECT_THAT(taken(*merge_), ElementsAre("1.1"));
  merge_->release_all();
  EXPECT_THAT(taken(*merge_), ElementsAre("1.3", "1.5", "2.9"));
  EXPECT_EQ(merge_->counts().gaps_given_up, 2u) << "the second lane begins";
}

TEST_F(RegionsMergeTest, GoesOnFromWhatWasCommitted) {
  make(RegionsMode::kOrdered);
  give(1, {record(0, 3), plain(1, "plain"), record(2, 1, 0, 2)});
  EXPECT_THAT(taken(*merge_), ElementsAre("plain", "2.1"));
  const auto seen = merge_->seen();
  const auto places = merge_->places(1);
  EXPECT_EQ(places, (RegionPlaces{{"s", {"", number(1)}}}));

  make(RegionsMode::kOrdered);
  ASSERT_TRUE(merge_->resume(seen).ok());
  merge_->resume(1, places);
  give(1, {record(0, 3), plain(1, "plain"), record(2, 1, 0, 2), plain(3, "more")});
  give(0, {record(0, 1), record(1, 2)});
  EXPECT_THAT(taken(*merge_), ElementsAre("more", "1.1", "1.2", "1.3"));
  EXPECT_EQ(place(1), number(3));
  EXPECT_FALSE(merge_->resume("rubbish").ok());
}

TEST_F(RegionsMergeTest, ALongWaitKeepsThePlaceOfItsShard) {
  make(RegionsMode::kOrdered);
  give(1, {record(0, 3)});
  for (std::size_t i = 1; i < 5000; i += 2) {
    give(1, {record(i, i, i - 1, 2), record(i + 1, i + 1, i, 2)});
    EXPECT_EQ(taken(*merge_).size(), 2u);
  }
  EXPECT_EQ(place(1), "");
  give(0, {record(0, 1), record(1, 2)});
  EXPECT_THAT(taken(*merge_), ElementsAre("1.1", "1.2", "1.3"));
  EXPECT_EQ(place(1), number(5000));
}

TEST_F(RegionsMergeTest, PlacesGoWithTheirShards) {
  make(RegionsMode::kAvailable);
  give(0, {record(0, 1)});
  merge_->keep(0, {});
  EXPECT_THAT(taken(*merge_), ElementsAre("1.1"));
  merge_->keep(0, {});
  EXPECT_EQ(merge_->places(0).size(), 1u) << "it is being read";
  merge_->remove(0, "s");
  merge_->keep(0, {"s"});
  EXPECT_EQ(merge_->places(0).size(), 1u);
  merge_->keep(0, {});
  EXPECT_EQ(merge_->places(0).size(), 0u);
}

// Producers whose lanes are stored as brokers store them, in some region at a time, and at times in
// several or twice; a reader that takes, commits, crashes, and loses regions out of sight.
class World {
 public:
  World(std::uint64_t seed, RegionsMode mode) : random_(seed), mode_(mode) { fill(); }

  void run() {
    start();
    for (int step = 0; step < 400; ++step) do_something();
    for (std::size_t region = 0; region < kRegions; ++region) set_away(region, false);
    ending_ = true;
    do commit();
    while (read_somewhere());
  }
  void check() const {
    for (const auto& [name, count] : stored_)
      EXPECT_EQ(handled_.contains(name) ? handled_.at(name) : 0, count) << name;
    for (const auto& [name, count] : handled_) EXPECT_TRUE(stored_.contains(name)) << name;
    EXPECT_EQ(merge_->waiting(), 0u);
    EXPECT_LE(waiting_most_, kWaitingMax + kShards * kRegions * kAnswer);
    EXPECT_EQ(gaps_, 0u);
    for (std::size_t region = 0; region < kRegions; ++region)
      for (const auto& [id, place] : merge_->places(region))
        EXPECT_EQ(place.all, number(shards_[region].at(id).size() - 1));
  }

 private:
  static constexpr std::size_t kRegions = 3;
  static constexpr std::size_t kShards = 2;
  static constexpr std::size_t kAnswer = 5;
  static constexpr std::size_t kWaitingMax = 12;
  using Shards = std::map<std::string, std::vector<Record>>;

  bool one_in(std::uint64_t n) { return random_.below(n) == 0; }

  void store(std::size_t region, Record record) {
    auto& shard = shards_[region][record.origin->lane % kShards == 0 ? "a" : "b"];
    record.sequence_number = number(shard.size());
    shard.push_back(std::move(record));
  }
  void fill() {
    for (auto& region : shards_) region = {{"a", {}}, {"b", {}}};
    std::map<int, std::pair<std::uint64_t, std::uint64_t>> lanes;  // sequence, previous
    std::size_t used = 0;
    for (int i = 0; i < 300; ++i) {
      if (one_in(40)) used = random_.below(kRegions);
      if (one_in(10)) {
        const auto name = fmt::format("plain {}", i);
        auto& shard = shards_[used]["a"];
        shard.push_back({number(shard.size()), "key", name, from_millis(i)});
        ++stored_[name];
        continue;
      }
      const int lane = static_cast<int>(random_.below(6));
      auto& [sequence, previous] = lanes[lane];
      ++sequence;
      if (one_in(15)) continue;  // given up
      Record next{"", "key", fmt::format("{}.{}", lane, sequence), from_millis(i)};
      next.origin = {.producer = {static_cast<unsigned char>(lane % 3)},
                     .lane = static_cast<std::uint8_t>(lane),
                     .sequence = sequence,
                     .previous = previous};
      previous = sequence;
      ++stored_[next.data];
      store(used, next);
      while (one_in(4)) store(random_.below(kRegions), next);
    }
  }

  void start() {
    merge_ = std::make_unique<RegionsMerge>(
        kRegions,
        RegionsMergeOptions{
            .mode = mode_, .gap_wait = std::chrono::hours(1), .waiting_max = kWaitingMax});
    EXPECT_TRUE(seen_.empty() || merge_->resume(seen_).ok());
    for (std::size_t region = 0; region < kRegions; ++region) {
      merge_->resume(region, places_[region]);
      merge_->set_away(region, away_[region]);
      for (const auto& [id, records] : shards_[region]) {
        merge_->add(region, id);
        const auto& all = places_[region][id].all;
        next_[region][id] = all.empty() ? 0 : std::stoul(all) - 99;
      }
    }
    newest_ = committed_newest_;
    batch_.clear();
  }

  void do_something() {
    now_ += milliseconds(random_.below(1000));
    if (one_in(60)) return start();  // a crash
    if (one_in(20)) set_away(random_.below(kRegions), one_in(2));
    if (one_in(4)) return commit();
    read_somewhere();
    merge_->look(now_);
    waiting_most_ = std::max(waiting_most_, merge_->waiting());
  }
  void set_away(std::size_t region, bool away) {
    away_[region] = away;
    merge_->set_away(region, away);
  }

  bool read(std::size_t region, const std::string& id) {
    const auto& all = shards_[region].at(id);
    auto& next = next_[region][id];
    if (!away_[region] && next == all.size()) merge_->at_tip(region, id, now_);
    if (away_[region] || merge_->holds(region, id) || next == all.size()) return false;
    const std::size_t end = std::min(all.size(), next + 1 + random_.below(kAnswer));
    merge_->give(region, id,
                 {all.begin() + static_cast<std::ptrdiff_t>(next),
                  all.begin() + static_cast<std::ptrdiff_t>(end)},
                 now_);
    next = end;
    return true;
  }
  bool read_somewhere() {
    const std::size_t first = random_.below(kRegions * kShards);
    for (std::size_t i = 0; i < kRegions * kShards; ++i) {
      const std::size_t which = (first + i) % (kRegions * kShards);
      if (read(which / kShards, which % kShards == 0 ? "a" : "b")) return true;
    }
    return false;
  }

  void commit() {
    while (true) {
      if (batch_.empty()) {
        batch_ = merge_->take(1 + random_.below(20), 1000);
        for (const auto& each : batch_) see(each);
      }
      if (batch_.empty() || (!ending_ && one_in(30))) return;  // then it stays with whoever took it
      merge_->handled();
      for (const auto& each : batch_) ++handled_[each.record.data];
      batch_.clear();
      seen_ = merge_->seen();
      for (std::size_t region = 0; region < kRegions; ++region)
        places_[region] = merge_->places(region);
      committed_newest_ = newest_;
      gaps_ = std::max(gaps_, merge_->counts().gaps_given_up);
    }
  }
  void see(const RegionRecord& each) {
    if (mode_ != RegionsMode::kOrdered || !each.record.origin) return;
    EXPECT_FALSE(each.late);
    auto& newest = newest_[each.record.origin->lane];
    EXPECT_EQ(each.record.origin->previous, newest) << each.record.data;
    newest = each.record.origin->sequence;
  }

  Random random_;
  const RegionsMode mode_;
  std::array<Shards, kRegions> shards_;
  std::map<std::string, int> stored_;  // once, in whatever copies
  std::unique_ptr<RegionsMerge> merge_;
  std::array<std::map<std::string, std::size_t>, kRegions> next_;
  std::array<bool, kRegions> away_{};
  MonoTime now_{};
  std::vector<RegionRecord> batch_;
  bool ending_ = false;
  // What was committed.
  std::string seen_;
  std::array<RegionPlaces, kRegions> places_;
  std::map<std::string, int> handled_;
  std::map<int, std::uint64_t> committed_newest_;
  std::map<int, std::uint64_t> newest_;
  std::size_t waiting_most_ = 0;
  std::uint64_t gaps_ = 0;
};

TEST(RegionsMergeWorld, EachRecordIsHandledOnceAndUnderOrderedInOrder) {
  const char* seed = std::getenv("SPILLWAY_SEED");
  const std::uint64_t first = seed == nullptr ? 1 : std::stoull(seed);
  const std::uint64_t count = seed == nullptr ? 1500 : 1;
  for (std::uint64_t each = first; each < first + count; ++each) {
    for (const auto mode : {RegionsMode::kAvailable, RegionsMode::kOrdered}) {
      World world(each, mode);
      world.run();
      world.check();
      ASSERT_FALSE(testing::Test::HasFailure()) << "SPILLWAY_SEED=" << each;
    }
  }
}

}  // namespace
}  // namespace spillway::client
