#include "broker/cursors.h"

#include <gmock/gmock.h>

#include "broker/spool_samples.h"
#include "stream/record_batch.h"

namespace spillway::broker {
namespace {

using testing::HasSubstr;

LaneMark mark(unsigned char producer, std::uint64_t sequence) {
  LaneMark mark{{}, sequence};
  mark.producer.fill(producer);
  return mark;
}

class CursorsTest : public SpoolTest {
 protected:
  CursorsTest() { load(); }

  // As after a restart.
  void load() {
    cursors_ = std::make_unique<Cursors>(loop_, engine_, log_);
    SpoolTest::load(*cursors_);
  }
  std::uint64_t written() {
    return engine_.tip(spool_->shards_of(Spool::kCursorStream).front().id)->next.value;
  }

  io::SilentLog log_;
  std::unique_ptr<Cursors> cursors_;
};

TEST_F(CursorsTest, WhatIsNotKnownBeginsAtTheBeginning) {
  EXPECT_EQ(cursors_->at(7, "a"), Cursor());
}

TEST_F(CursorsTest, AreThereAgainAfterARestart) {
  cursors_->advance(7, "a", {10}, {{3, mark(1, 4)}, {5, mark(1, 6)}});
  cursors_->advance(7, "b", {2}, {});
  loop_.run();
  load();
  EXPECT_EQ(cursors_->at(7, "a"), (Cursor{{10}, {{3, mark(1, 4)}, {5, mark(1, 6)}}, {}}));
  EXPECT_EQ(cursors_->at(7, "b"), (Cursor{{2}, {}, {}}));
  cursors_->advance(7, "a", {12}, {{5, mark(2, 1)}});
  loop_.run();
  load();
  EXPECT_EQ(cursors_->at(7, "a"), (Cursor{{12}, {{3, mark(1, 4)}, {5, mark(2, 1)}}, {}}));
}

TEST_F(CursorsTest, OnlyWhatIsDurableIsKept) {
  EXPECT_EQ(cursors_->kept(7).value, 0u);
  engine_.holding = true;
  cursors_->advance(7, "a", {10}, {});
  cursors_->advance(7, "a", {20}, {});
  loop_.run();
  EXPECT_EQ(cursors_->kept(7).value, 0u);
  engine_.release();
  loop_.run();
  EXPECT_EQ(cursors_->kept(7).value, 10u) << "20 is under way";
  engine_.holding = false;
  engine_.release(Error{ErrorCode::kNoSpace, "the disk is full"});
  loop_.run();
  EXPECT_EQ(cursors_->kept(7).value, 10u);
  loop_.run(seconds(1));
  EXPECT_EQ(cursors_->kept(7).value, 20u);
  load();
  EXPECT_EQ(cursors_->kept(7).value, 20u);
}

TEST_F(CursorsTest, ManyMovesAreFoundFromTheLastWholeRecordOn) {
  cursors_->advance(1, "a", {5}, {{1, mark(1, 9)}});
  loop_.run();
  for (std::uint64_t i = 1; i <= 3 * Cursors::kWholeEvery + 7; ++i) {
    cursors_->advance(2, "a", {i}, {{static_cast<std::uint8_t>(i % 4), mark(1, i)}});
    loop_.run();
  }
  engine_.reads = 0;
  load();
  EXPECT_EQ(cursors_->at(1, "a"), (Cursor{{5}, {{1, mark(1, 9)}}, {}}));
  const std::uint64_t last = 3 * Cursors::kWholeEvery + 7;
  EXPECT_EQ(cursors_->at(2, "a").next.value, last);
  for (std::uint64_t i = last - 3; i <= last; ++i)
    EXPECT_EQ(cursors_->at(2, "a").lanes[static_cast<std::uint8_t>(i % 4)], mark(1, i));
  EXPECT_LE(engine_.reads, 3u);
}

TEST_F(CursorsTest, OneWriteAtATimeTakesWhatHasMovedMeanwhile) {
  engine_.holding = true;
  for (std::uint64_t i = 1; i <= 10; ++i) cursors_->advance(1, "a", {i}, {});
  EXPECT_EQ(engine_.held(), 1u);
  engine_.release();
  loop_.run();
  engine_.release();
  loop_.run();
  EXPECT_EQ(written(), 2u);
  load();
  EXPECT_EQ(cursors_->at(1, "a").next.value, 10u);
}

TEST_F(CursorsTest, WhatCouldNotBeWrittenIsWrittenLater) {
  engine_.append_error = Error{ErrorCode::kNoSpace, "the disk is full"};
  cursors_->advance(1, "a", {3}, {{1, mark(1, 3)}});
  loop_.run(seconds(5));
  cursors_->advance(1, "a", {4}, {{2, mark(1, 1)}});
  bool failed = false;
  cursors_->settle([&](const Status& status) { failed = !status.ok(); });
  loop_.run(seconds(1));
  EXPECT_TRUE(failed);
  engine_.append_error.reset();
  loop_.run(seconds(1));
  load();
  EXPECT_EQ(cursors_->at(1, "a"), (Cursor{{4}, {{1, mark(1, 3)}, {2, mark(1, 1)}}, {}}));
}

TEST_F(CursorsTest, SettleWaitsForWhatIsBeingWritten) {
  engine_.holding = true;
  cursors_->advance(1, "a", {3}, {});
  cursors_->advance(1, "a", {4}, {});
  bool settled = false;
  cursors_->settle([&](const Status& status) { settled = status.ok(); });
  loop_.run();
  EXPECT_FALSE(settled);
  engine_.release();
  loop_.run();
  EXPECT_FALSE(settled) << "the second move";
  engine_.release();
  loop_.run();
  EXPECT_TRUE(settled);
}

TEST_F(CursorsTest, ATargetThatTakesOverNotesWhatItWasNotSent) {
  cursors_->advance(7, "a", {10}, {{3, mark(1, 4)}});
  cursors_->take_over(7, "b", cursors_->furthest(7));
  EXPECT_EQ(cursors_->at(7, "b"), (Cursor{{10}, {{3, mark(1, 4)}}, {{{0}, {10}}}}));
  cursors_->advance(7, "b", {15}, {{3, mark(1, 5)}});
  cursors_->take_over(7, "a", cursors_->furthest(7));
  cursors_->take_over(7, "a", cursors_->furthest(7));
  EXPECT_EQ(cursors_->at(7, "a"), (Cursor{{15}, {{3, mark(1, 5)}}, {{{10}, {15}}}}));
  cursors_->take_over(7, "c", cursors_->furthest(7));
  loop_.run();
  load();
  EXPECT_EQ(cursors_->at(7, "b"), (Cursor{{15}, {{3, mark(1, 5)}}, {{{0}, {10}}}}));
  EXPECT_EQ(cursors_->at(7, "a").unsent, (std::vector<PositionRange>{{{10}, {15}}}));
  EXPECT_EQ(cursors_->furthest(7).next.value, 15u);
  EXPECT_EQ(cursors_->kept(7).value, 15u);
  cursors_->advance(7, "a", {20}, {});
  cursors_->take_over(7, "c", cursors_->furthest(7));
  EXPECT_EQ(cursors_->at(7, "c").unsent, (std::vector<PositionRange>{{{0}, {20}}}))
      << "nothing was sent to it between the two";
}

TEST_F(CursorsTest, WhatATargetIsSentAfterwardsItNoLongerLacks) {
  EXPECT_EQ(cursors_->missing(7, "b"), PositionRanges());
  cursors_->advance(7, "a", {10}, {{3, mark(1, 4)}});
  EXPECT_EQ(cursors_->missing(7, "a"), PositionRanges());
  EXPECT_EQ(cursors_->missing(7, "b"), (PositionRanges{{{0}, {10}}})) << "it was never used";
  cursors_->fill(7, "b", {{0}, {4}});
  cursors_->advance(7, "a", {15}, {{3, mark(1, 5)}});
  EXPECT_EQ(cursors_->missing(7, "b"), (PositionRanges{{{4}, {10}}, {{10}, {15}}}));
  cursors_->fill(7, "b", {{8}, {12}});
  EXPECT_EQ(cursors_->missing(7, "b"), (PositionRanges{{{4}, {8}}, {{12}, {15}}}));
  EXPECT_EQ(cursors_->reached(7).value, 15u);
  loop_.run();
  load();
  EXPECT_EQ(cursors_->missing(7, "b"), (PositionRanges{{{4}, {8}}, {{12}, {15}}}));
  cursors_->fill(7, "b", {{4}, {15}});
  EXPECT_EQ(cursors_->missing(7, "b"), PositionRanges());
  // It goes on where the other one is.
  cursors_->take_over(7, "b", cursors_->furthest(7));
  EXPECT_EQ(cursors_->at(7, "b"), (Cursor{{15}, {{3, mark(1, 5)}}, {}}));
}

TEST_F(CursorsTest, RoomIsFreeWhereAsManyTargetsHaveAllBeforeIt) {
  std::vector<Cursors::Copy> targets = {{"a", {}}, {"b", {}}, {"c", {}}};
  const auto by = [&](std::size_t copies) {
    loop_.run();
    load();
    return cursors_->kept_by(7, targets, copies).value;
  };
  EXPECT_EQ(by(1), 0u);
  cursors_->advance(7, "a", {10}, {});
  EXPECT_EQ(by(1), 10u);
  EXPECT_EQ(by(2), 0u) << "nobody else was used";
  cursors_->fill(7, "b", {{0}, {4}});
  cursors_->fill(7, "b", {{6}, {10}});
  EXPECT_EQ(by(2), 4u) << "there is a gap";
  EXPECT_EQ(by(3), 0u);
  cursors_->fill(7, "c", {{0}, {9}});
  EXPECT_EQ(by(2), 9u);
  EXPECT_EQ(by(3), 4u);
  // What nobody was sent holds up nothing.
  cursors_->give_up(7, {{4}, {6}});
  EXPECT_EQ(by(3), 9u);
  cursors_->fill(7, "c", {{9}, {10}});
  cursors_->advance(7, "a", {20}, {});
  EXPECT_EQ(by(1), 20u);
  EXPECT_EQ(by(2), 10u);
  cursors_->lose(7, "a", {3});
  EXPECT_EQ(by(2), 10u) << "b and c have it";
  EXPECT_EQ(by(3), 3u);
  targets[0].without = {{{3}, {8}}};
  EXPECT_EQ(by(3), 8u) << "it goes without some of that";
}

TEST_F(CursorsTest, RoomIsFreeOnlyByWhatIsDurable) {
  const std::vector<Cursors::Copy> targets = {{"a", {}}, {"b", {}}};
  cursors_->advance(7, "a", {10}, {});
  loop_.run();
  cursors_->fill(7, "b", {{0}, {10}});
  EXPECT_EQ(cursors_->kept_by(7, targets, 2).value, 0u);
  loop_.run();
  EXPECT_EQ(cursors_->kept_by(7, targets, 2).value, 10u);
  cursors_->lose(7, "a", {3});
  EXPECT_EQ(cursors_->kept_by(7, targets, 2).value, 3u) << "what it lost, at once";
}

TEST_F(CursorsTest, WhatWasDroppedIsMissedNowhere) {
  cursors_->give_up(7, {{4}, {6}});
  EXPECT_EQ(cursors_->furthest(7), Cursor());
  cursors_->advance(7, "a", {10}, {{3, mark(1, 4)}});
  cursors_->give_up(7, {{6}, {7}});
  EXPECT_EQ(cursors_->missing(7, "b"), (PositionRanges{{{0}, {4}}, {{7}, {10}}}));
  loop_.run();
  load();
  EXPECT_EQ(cursors_->missing(7, "b"), (PositionRanges{{{0}, {4}}, {{7}, {10}}}));
  EXPECT_EQ(cursors_->furthest(7), (Cursor{{10}, {{3, mark(1, 4)}}, {}}));
  cursors_->fill(7, "b", {{0}, {4}});
  // What is dropped is bounded, and what no longer counts as dropped was taken from b's ranges.
  for (std::uint64_t i = 0; i < Cursors::kDroppedMax; ++i)
    cursors_->give_up(7, {{20 + 2 * i}, {21 + 2 * i}});
  EXPECT_EQ(cursors_->missing(7, "b"), (PositionRanges{{{7}, {10}}}));
  EXPECT_EQ(cursors_->missing(7, "c"), (PositionRanges{{{0}, {10}}}));
}

TEST_F(CursorsTest, WhatNoLongerCountsAsDroppedIsMissedByNobodyThatWentPastIt) {
  cursors_->advance(7, "a", {10}, {});
  cursors_->leave_behind(7, "a", {20}, {});
  cursors_->advance(7, "a", {30}, {});
  cursors_->take_over(7, "b", cursors_->furthest(7));
  for (std::uint64_t i = 0; i < Cursors::kDroppedMax; ++i)
    cursors_->give_up(7, {{40 + 2 * i}, {41 + 2 * i}});
  cursors_->give_up(7, {{10}, {20}});
  for (const bool restarted : {false, true}) {
    EXPECT_EQ(cursors_->left_behind(7), PositionRanges()) << restarted;
    EXPECT_EQ(cursors_->missing(7, "a"), PositionRanges()) << restarted;
    EXPECT_EQ(cursors_->missing(7, "b"), (PositionRanges{{{0}, {10}}, {{20}, {30}}})) << restarted;
    loop_.run();
    load();
  }
}

TEST_F(CursorsTest, EveryPieceOfARequestThatWasCutIsMissedNowhere) {
  cursors_->advance(7, "a", {1000}, {});
  for (std::uint64_t i = 0; i < 1000; i += 2) cursors_->give_up(7, {{i}, {i + 1}});
  EXPECT_EQ(count_of(cursors_->missing(7, "b")), 500u);
  loop_.run();
  load();
  EXPECT_EQ(count_of(cursors_->missing(7, "b")), 500u);
  cursors_->fill(7, "b", {{1}, {2}});
  EXPECT_EQ(count_of(cursors_->missing(7, "b")), 499u);
  EXPECT_LE(cursors_->at(7, "b").unsent.size(), Cursors::kUnsentMax);
}

TEST_F(CursorsTest, WhatIsLeftBehindIsMissedByNobodyUntilOneHasIt) {
  cursors_->advance(7, "a", {10}, {{3, mark(1, 4)}, {4, mark(1, 1)}});
  cursors_->leave_behind(7, "a", {100}, {{3, {}}});
  cursors_->advance(7, "a", {120}, {{4, mark(1, 2)}});
  EXPECT_EQ(cursors_->left_behind(7), (PositionRanges{{{10}, {100}}}));
  EXPECT_EQ(cursors_->missing(7, "a"), PositionRanges());
  EXPECT_EQ(cursors_->missing(7, "b"), (PositionRanges{{{0}, {10}}, {{100}, {120}}}));
  loop_.run();
  load();
  EXPECT_EQ(cursors_->left_behind(7), (PositionRanges{{{10}, {100}}}));
  EXPECT_EQ(cursors_->furthest(7).lanes, (LaneMarks{{3, {}}, {4, mark(1, 2)}}));
  EXPECT_EQ(cursors_->kept(7).value, 10u) << "the spool needs it";
  // b goes on with it, and then a again.
  cursors_->fill(7, "b", {{10}, {50}});
  EXPECT_EQ(cursors_->left_behind(7), (PositionRanges{{{50}, {100}}}));
  EXPECT_EQ(cursors_->missing(7, "a"), (PositionRanges{{{10}, {50}}}));
  cursors_->fill(7, "a", {{50}, {60}});
  cursors_->fill(7, "a", {{10}, {20}});
  EXPECT_EQ(cursors_->missing(7, "b"), (PositionRanges{{{0}, {10}}, {{50}, {60}}, {{100}, {120}}}));
  loop_.run();
  load();
  EXPECT_EQ(cursors_->left_behind(7), (PositionRanges{{{60}, {100}}}));
  EXPECT_EQ(cursors_->missing(7, "a"), (PositionRanges{{{20}, {50}}}));
  EXPECT_EQ(cursors_->kept(7).value, 60u);
  cursors_->fill(7, "a", {{60}, {100}});
  loop_.run();
  EXPECT_EQ(cursors_->kept(7).value, 120u);
}

TEST_F(CursorsTest, NoCursorIsStoredWithoutWhatLiesBehindIt) {
  cursors_->advance(7, "a", {10}, {});
  loop_.run();
  engine_.holding = true;
  cursors_->leave_behind(7, "a", {100}, {});
  cursors_->take_over(7, "b", cursors_->furthest(7));
  cursors_->leave_behind(7, "b", {200}, {});
  for (int writes = 0; writes < 3; ++writes) {
    EXPECT_EQ(cursors_->kept(7).value, 10u) << writes;
    Cursors found(loop_, engine_, log_);
    start(found.load(cursors_->shard()), UniqueFunction<void(Status)>([](const Status&) {}));
    loop_.run();
    EXPECT_EQ(found.kept(7).value, 10u) << writes;
    const auto left = found.left_behind(7);
    EXPECT_EQ(left.empty() ? found.reached(7).value : left.front().second.value,
              found.reached(7).value);
    engine_.release();
    loop_.run();
  }
  engine_.holding = false;
  EXPECT_EQ(cursors_->left_behind(7), (PositionRanges{{{10}, {200}}}));
}

TEST_F(CursorsTest, WhatWasDroppedIsNotLeftBehind) {
  cursors_->advance(7, "a", {10}, {});
  cursors_->leave_behind(7, "a", {100}, {});
  cursors_->advance(7, "a", {120}, {});
  cursors_->give_up(7, {{110}, {115}});
  cursors_->give_up(7, {{10}, {40}});
  EXPECT_EQ(cursors_->left_behind(7), (PositionRanges{{{40}, {100}}}));
  loop_.run();
  load();
  EXPECT_EQ(cursors_->left_behind(7), (PositionRanges{{{40}, {100}}}));
  EXPECT_EQ(cursors_->missing(7, "b"),
            (PositionRanges{{{0}, {10}}, {{100}, {110}}, {{115}, {120}}}));
  EXPECT_EQ(cursors_->kept(7).value, 40u);
}

// Stored alone, the cursor would say that a target has what was dropped.
TEST_F(CursorsTest, WhatWasDroppedOfWhatIsLeftBehindIsStoredBeforeTheCursor) {
  cursors_->advance(7, "a", {10}, {});
  cursors_->leave_behind(7, "a", {100}, {});
  loop_.run();
  engine_.holding = true;
  cursors_->give_up(7, {{10}, {100}});
  for (int writes = 0; writes < 3; ++writes) {
    Cursors found(loop_, engine_, log_);
    start(found.load(cursors_->shard()), UniqueFunction<void(Status)>([](const Status&) {}));
    loop_.run();
    const bool dropped = writes > 0;
    EXPECT_EQ(found.missing(7, "b"), (PositionRanges{{{0}, {10}}})) << writes;
    EXPECT_EQ(found.left_behind(7).empty(), dropped) << writes;
    EXPECT_EQ(found.kept(7).value, dropped ? 100u : 10u) << writes;
    engine_.release();
    loop_.run();
  }
  engine_.holding = false;
}

TEST_F(CursorsTest, ATargetThatLostRecordsHasNothingOfWhatIsLeftBehindEither) {
  cursors_->advance(7, "a", {10}, {});
  cursors_->leave_behind(7, "a", {100}, {});
  cursors_->advance(7, "a", {120}, {});
  cursors_->lose(7, "a", {5});
  EXPECT_EQ(cursors_->left_behind(7), (PositionRanges{{{10}, {100}}}));
  EXPECT_EQ(cursors_->missing(7, "a"), (PositionRanges{{{5}, {10}}, {{100}, {120}}}));
  cursors_->fill(7, "b", {{10}, {100}});
  EXPECT_EQ(cursors_->missing(7, "a"), (PositionRanges{{{5}, {120}}}));
}

TEST_F(CursorsTest, RangesAreBounded) {
  for (std::uint64_t i = 1; i <= 2 * Cursors::kUnsentMax; ++i) {
    cursors_->take_over(7, "a", cursors_->furthest(7));
    cursors_->advance(7, "a", {100 * i}, {});
    cursors_->take_over(7, "b", cursors_->furthest(7));
    cursors_->advance(7, "b", {100 * i + 1}, {});
  }
  const auto ranges = cursors_->at(7, "a").unsent;
  EXPECT_LE(ranges.size(), Cursors::kUnsentMax);
  for (std::uint64_t i = 1; i < 2 * Cursors::kUnsentMax; ++i) {
    EXPECT_TRUE(std::ranges::any_of(ranges, [i](const PositionRange& range) {
      return range.first.value <= 100 * i && 100 * i + 1 <= range.second.value;
    })) << i;
  }
}

// More than fit one record, twice over.
class ManyCursorsTest : public CursorsTest {
 protected:
  static constexpr std::uint64_t kShards = 400;

  ManyCursorsTest() {
    for (std::uint64_t shard = 1; shard <= kShards; ++shard) advance(shard, 1);
    loop_.run();
  }
  // With as much as a shard's cursor holds.
  void advance(std::uint64_t shard, std::uint64_t round) {
    LaneMarks lanes;
    for (std::uint8_t lane = 0; lane < 32; ++lane) lanes[lane] = mark(1, 1000 * round + shard);
    for (std::uint64_t range = 1; range <= Cursors::kUnsentMax; ++range) {
      cursors_->take_over(shard, "b", cursors_->furthest(shard));
      cursors_->advance(shard, "b", {position(round, range) + 1}, lanes);
      cursors_->take_over(shard, "a", cursors_->furthest(shard));
      cursors_->advance(shard, "a", {position(round, range) + 2}, lanes);
    }
  }
  static std::uint64_t position(std::uint64_t round, std::uint64_t range) {
    return 10'000 * round + 10 * range;
  }
  CursorTable all() {
    CursorTable table;
    for (std::uint64_t shard = 1; shard <= kShards; ++shard)
      for (const std::string target : {"a", "b"})
        table[{shard, target}] = cursors_->at(shard, target);
    return table;
  }
  // The largest record there is.
  std::size_t largest() {
    std::size_t largest = 0;
    const auto shard = spool_->shards_of(Spool::kCursorStream).front().id;
    engine_.read({shard, {}, UINT32_MAX, SIZE_MAX}, [&](const Result<stream::ReadResult>& read) {
      for (const auto& batch : read->batches) largest = std::max(largest, batch.payload.size());
    });
    return largest;
  }
};

TEST_F(ManyCursorsTest, NoRecordOutgrowsItsBound) {
  EXPECT_GT(written(), 3u);
  EXPECT_LE(largest(), Cursors::kRecordBytesMax + 100);
  const auto before = all();
  load();
  EXPECT_EQ(all(), before);
  for (std::uint64_t i = 0; i < 2 * Cursors::kWholeEvery; ++i) {
    cursors_->advance(1, "a", {100'000 + i}, {});
    loop_.run();
  }
  const auto later = all();
  load();
  EXPECT_EQ(all(), later);
  EXPECT_LE(largest(), Cursors::kRecordBytesMax + 100);
  EXPECT_GT(cursors_->needed_from().value, 100u) << "what is before is needed for ever";
}

TEST_F(ManyCursorsTest, ACrashAmongTheRecordsOfAWholeLosesNothing) {
  engine_.holding = true;
  const auto before = cursors_->needed_from();
  for (std::uint64_t i = 0; cursors_->needed_from() == before; ++i) {
    ASSERT_LT(i, 2 * Cursors::kWholeEvery);
    const std::uint64_t shard = 1 + i % kShards;
    cursors_->advance(shard, "a", {200'000 + i}, {{3, mark(2, i)}});
    engine_.release();
    loop_.run();
    Cursors found(loop_, engine_, log_);
    start(found.load(cursors_->shard()), UniqueFunction<void(Status)>([](const Status& status) {
            EXPECT_TRUE(status.ok()) << status.error().message;
          }));
    loop_.run();
    for (std::uint64_t of = 1; of <= kShards; ++of)
      ASSERT_EQ(found.kept(of), cursors_->kept(of)) << of << " after " << i;
  }
  engine_.release();
  engine_.holding = false;
  loop_.run();
}

TEST_F(ManyCursorsTest, AllThatMoveHaveTheirTurn) {
  engine_.append_error = Error{ErrorCode::kNoSpace, "the disk is full"};
  for (std::uint64_t shard = 1; shard <= kShards; ++shard) advance(shard, 2);
  loop_.run(seconds(1));
  engine_.append_error.reset();
  // The first ones move all the time.
  for (int i = 0; i < 20; ++i) {
    loop_.run(milliseconds(200));
    for (std::uint64_t shard = 1; shard <= kShards / 2; ++shard)
      cursors_->advance(shard, "a", {300'000 + static_cast<std::uint64_t>(i)}, {});
  }
  EXPECT_EQ(cursors_->kept(kShards).value, position(2, Cursors::kUnsentMax) + 2);
  loop_.run(seconds(1));
  const auto before = all();
  load();
  EXPECT_EQ(all(), before);
}

TEST_F(CursorsTest, RecordsOfVersion1AreRead) {
  auto data = encode({{4}, {{{1, "a"}, {{5}, {{3, mark(1, 2)}}, {}}}}});
  data[0] = 1;
  data.resize(data.size() - 8);
  const auto read = decode_cursors(data);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->cursors, (CursorTable{{{1, "a"}, {{5}, {{3, mark(1, 2)}}, {}}}}));
}

TEST_F(CursorsTest, RecordsOfVersion2AreRead) {
  auto data = encode({{4}, {{{1, "a"}, {{5}, {{3, mark(1, 2)}}, {{{1}, {2}}}}}}});
  data[0] = 2;
  data.resize(data.size() - 4);
  const auto read = decode_cursors(data);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->cursors, (CursorTable{{{1, "a"}, {{5}, {{3, mark(1, 2)}}, {{{1}, {2}}}}}}));
}

TEST_F(CursorsTest, DamageStopsNothing) {
  const auto shard = spool_->shards_of(Spool::kCursorStream).front().id;
  cursors_->advance(1, "a", {5}, {});
  loop_.run();
  stream::RecordBatchBuilder builder(64);
  builder.add({.partition_key = "", .data = "\1no cursors"});
  engine_.append({{shard, 1, std::move(builder).finish()}}, [](const auto&) {});
  load();
  // The next record doesn't build on what is damaged.
  cursors_->advance(2, "a", {7}, {});
  loop_.run();
  load();
  EXPECT_EQ(cursors_->at(2, "a").next.value, 7u);
}

TEST_F(CursorsTest, NewerAndDamagedRecordsAreRefused) {
  const auto data = encode({{4}, {{{1, "a"}, {{5}, {{3, mark(1, 2)}}, {{{1}, {2}}}}}}});
  EXPECT_EQ(decode_cursors(data)->whole_at.value, 4u);
  auto newer = data;
  newer[0] = 4;
  EXPECT_EQ(decode_cursors(newer).error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(decode_cursors(newer).error().message, HasSubstr("newer spillway"));
  for (std::size_t size = 0; size < data.size(); ++size)
    EXPECT_EQ(decode_cursors(data.substr(0, size)).error().code, ErrorCode::kCorrupt) << size;
  EXPECT_EQ(decode_cursors(data + "x").error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace spillway::broker
