#include "stream/seen_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdlib>
#include <set>
#include <tuple>

#include "base/digest.h"
#include "base/random.h"
#include "stream/hash_key.h"

namespace spillway::stream {
namespace {

constexpr WallTime kNow{milliseconds{1'600'000'000'000}};

Origin origin(std::uint64_t sequence, std::uint64_t previous, unsigned char producer = 1,
              std::uint8_t lane = 7) {
  Origin made{{}, lane, sequence, previous};
  made.producer[0] = producer;
  return made;
}
Origin origin(std::uint64_t sequence) { return origin(sequence, sequence - 1); }

void handle(SeenSet& set, const Origin& one) {
  ASSERT_EQ(set.offer(one, kNow), Sighting::kNew) << one.sequence;
  set.handled(one);
}

TEST(SeenSet, TellsCopiesFromNewRecords) {
  SeenSet set;
  EXPECT_EQ(set.offer(origin(1), kNow), Sighting::kNew);
  EXPECT_EQ(set.offer(origin(1), kNow), Sighting::kBeingHandled);
  set.handled(origin(1));
  EXPECT_EQ(set.offer(origin(1), kNow), Sighting::kHandled);
  EXPECT_EQ(set.offer(origin(1, 0, 2), kNow), Sighting::kNew) << "another producer's";
  EXPECT_EQ(set.offer(origin(1, 0, 1, 8), kNow), Sighting::kNew) << "another lane's";
  EXPECT_EQ(set.being_handled(), 2u);
}

TEST(SeenSet, ACopyIsHandledInsteadOfOneThatWasAbandoned) {
  SeenSet set;
  EXPECT_EQ(set.offer(origin(5), kNow), Sighting::kNew);
  set.abandoned(origin(5));
  EXPECT_EQ(set.offer(origin(5, 2), kNow), Sighting::kNew) << "whatever it says came before it";
  EXPECT_EQ(set.offer(origin(5), kNow), Sighting::kBeingHandled);
}

TEST(SeenSet, WhatIsBeingHandledIsNotCommitted) {
  SeenSet set;
  handle(set, origin(1));
  EXPECT_EQ(set.offer(origin(2), kNow), Sighting::kNew);
  SeenSet restarted;
  ASSERT_TRUE(restarted.apply(set.snapshot()).ok());
  EXPECT_EQ(restarted.offer(origin(1), kNow), Sighting::kHandled);
  EXPECT_EQ(restarted.offer(origin(2), kNow), Sighting::kNew);
}

TEST(SeenSet, PreviousTellsWhatWillNeverCome) {
  SeenSet set;
  EXPECT_TRUE(set.is_next(origin(1)));
  EXPECT_FALSE(set.is_next(origin(2)));
  handle(set, origin(3, 2));
  EXPECT_TRUE(set.is_next(origin(9, 3))) << "4 to 8 were given up";
  EXPECT_FALSE(set.is_next(origin(9, 8)));
}

TEST(SeenSet, TheNewestOfALane) {
  SeenSet set;
  EXPECT_EQ(set.newest(origin(1)), 0u);
  EXPECT_EQ(set.offer(origin(1), kNow), Sighting::kNew);
  EXPECT_EQ(set.newest(origin(1)), 0u) << "it is being handled";
  set.handled(origin(1));
  handle(set, origin(9, 8));
  handle(set, origin(5));
  EXPECT_EQ(set.newest(origin(2)), 9u);
  EXPECT_EQ(set.newest(origin(2, 1, 1, 8)), 0u) << "another lane's";
}

TEST(SeenSet, AGapThatWasGivenUpIsFilledBeforeAnythingIsForgotten) {
  SeenSet set({.lane_gaps_max = 2});
  handle(set, origin(1));
  handle(set, origin(3));      // 2 is to come
  handle(set, origin(10, 3));  // 4 to 9 were given up
  EXPECT_EQ(set.gaps(), 2u);
  EXPECT_EQ(set.offer(origin(5), kNow), Sighting::kNew) << "as long as there is room";
  set.abandoned(origin(5));
  handle(set, origin(12));
  EXPECT_EQ(set.gaps(), 2u);
  EXPECT_EQ(set.counts().gaps_filled, 1u);
  EXPECT_EQ(set.counts().records_forgotten, 0u);
  EXPECT_EQ(set.offer(origin(5), kNow), Sighting::kHandled) << "it was given up";
  EXPECT_EQ(set.offer(origin(2), kNow), Sighting::kNew);
  EXPECT_EQ(set.offer(origin(11), kNow), Sighting::kNew);
}

TEST(SeenSet, ForgetsTheShortestIntervalOfALaneWithTooManyGaps) {
  SeenSet set({.lane_gaps_max = 2});
  for (const std::uint64_t sequence : {1, 2, 3, 5, 7, 8, 9, 11}) handle(set, origin(sequence));
  EXPECT_EQ(set.gaps(), 2u);
  EXPECT_EQ(set.counts().records_forgotten, 1u);
  EXPECT_EQ(set.offer(origin(5), kNow), Sighting::kNew) << "rather twice than not at all";
  for (const std::uint64_t sequence : {1, 3, 7, 9, 11})
    EXPECT_EQ(set.offer(origin(sequence), kNow), Sighting::kHandled) << sequence;
}

TEST(SeenSet, AllLanesTogetherHaveSoManyGaps) {
  SeenSet set({.gaps_max = 3});
  for (std::uint8_t lane = 0; lane < 5; ++lane)
    for (const std::uint64_t sequence : {1, 3, 5})
      handle(set, origin(sequence, sequence - 1, 1, lane));
  EXPECT_EQ(set.gaps(), 3u);
  EXPECT_EQ(set.counts().records_forgotten, 7u);
}

TEST(SeenSet, ForgetsProducersThatWereIdle) {
  SeenSet set;
  handle(set, origin(1, 0, 1));
  EXPECT_EQ(set.offer(origin(1, 0, 2), kNow + seconds(10)), Sighting::kNew);
  set.handled(origin(1, 0, 2));
  (void)set.snapshot();
  SeenSet behind;
  ASSERT_TRUE(behind.apply(set.snapshot()).ok());
  set.forget_idle(kNow + seconds(1));
  EXPECT_EQ(set.producers(), 1u);
  EXPECT_EQ(set.counts().producers_forgotten, 1u);
  ASSERT_TRUE(behind.apply(set.changes()).ok());
  for (auto* one : {&set, &behind}) {
    EXPECT_EQ(one->offer(origin(1, 0, 1), kNow), Sighting::kNew);
    EXPECT_EQ(one->offer(origin(1, 0, 2), kNow), Sighting::kHandled);
  }
}

TEST(SeenSet, ANewProducerTakesTheIdlestOnesPlace) {
  SeenSet set({.producers_max = 2});
  for (unsigned char producer = 1; producer <= 7; ++producer) {
    EXPECT_EQ(set.offer(origin(1, 0, producer), kNow + seconds(producer)), Sighting::kNew);
    set.handled(origin(1, 0, producer));
  }
  EXPECT_EQ(set.producers(), 2u);
  EXPECT_EQ(set.counts().producers_pushed_out, 5u);
  EXPECT_EQ(set.offer(origin(1, 0, 6), kNow), Sighting::kHandled);
  // More were forgotten than are told one by one: what changed is then everything.
  SeenSet behind;
  ASSERT_TRUE(behind.apply(set.changes()).ok());
  EXPECT_EQ(behind.producers(), 2u);
  EXPECT_EQ(behind.offer(origin(1, 0, 7), kNow), Sighting::kHandled);
}

// What a reader keeps: a snapshot and what changed since, each on top of those before.
SeenSet restart(const std::vector<std::string>& kept, const SeenSetOptions& options = {}) {
  SeenSet set(options);
  for (const auto& bytes : kept) EXPECT_TRUE(set.apply(bytes).ok());
  return set;
}

TEST(SeenSet, WhatWasForgottenAndIsKnownAgainIsNotForgottenByTheNextOne) {
  std::vector<std::string> kept;
  SeenSet set;
  handle(set, origin(1));
  kept.push_back(set.snapshot());
  set.forget_idle(kNow + seconds(1));
  kept.push_back(set.changes());
  handle(set, origin(2));
  kept.push_back(set.changes());
  auto second = restart(kept);
  EXPECT_EQ(second.offer(origin(2), kNow), Sighting::kHandled);
  kept.push_back(second.changes());
  EXPECT_EQ(restart(kept).offer(origin(2), kNow), Sighting::kHandled);
}

TEST(SeenSet, WhatASmallerSetPushedOutAndKnowsAgainIsKept) {
  SeenSet set;
  for (unsigned char producer = 1; producer <= 5; ++producer) {
    EXPECT_EQ(set.offer(origin(1, 0, producer), kNow + seconds(producer)), Sighting::kNew);
    set.handled(origin(1, 0, producer));
  }
  std::vector<std::string> kept{set.snapshot()};
  handle(set, origin(2, 1, 1));
  handle(set, origin(2, 1, 2));
  kept.push_back(set.changes());
  const SeenSetOptions smaller{.producers_max = 4};
  auto second = restart(kept, smaller);
  EXPECT_EQ(second.producers(), 4u);
  kept.push_back(second.changes());
  auto third = restart(kept);
  auto expected = restart({second.snapshot()});
  EXPECT_EQ(third.producers(), 4u);
  for (unsigned char producer = 1; producer <= 5; ++producer) {
    for (const std::uint64_t sequence : {1, 2}) {
      const Origin one = origin(sequence, sequence - 1, producer);
      EXPECT_EQ(third.offer(one, kNow), expected.offer(one, kNow));
    }
  }
}

TEST(SeenSet, AProducerStaysWhileARecordOfItIsBeingHandled) {
  SeenSet set({.producers_max = 2});
  handle(set, origin(1, 0, 1));
  EXPECT_EQ(set.offer(origin(2, 1, 1), kNow), Sighting::kNew);
  for (unsigned char producer = 2; producer <= 3; ++producer)
    EXPECT_EQ(set.offer(origin(1, 0, producer), kNow + seconds(producer)), Sighting::kNew);
  EXPECT_EQ(set.producers(), 3u) << "there is none whose place it could take";
  set.handled(origin(1, 0, 3));
  EXPECT_EQ(set.offer(origin(1, 0, 4), kNow + seconds(4)), Sighting::kNew);
  EXPECT_EQ(set.counts().producers_pushed_out, 1u) << "3, not those before it";
  set.handled(origin(1, 0, 2));
  set.handled(origin(1, 0, 4));
  handle(set, origin(1, 0, 5));
  EXPECT_EQ(set.producers(), 2u);
  EXPECT_EQ(set.counts().producers_pushed_out, 3u) << "2 and 4";
  set.forget_idle(kNow + seconds(1));
  set.handled(origin(2, 1, 1));
  EXPECT_EQ(set.offer(origin(1, 0, 1), kNow), Sighting::kHandled);
  EXPECT_EQ(set.offer(origin(2, 1, 1), kNow), Sighting::kHandled);
}

TEST(SeenSet, HasTheDescribedBytes) {
  SeenSet set;
  for (const std::uint64_t sequence : {1, 2, 3}) handle(set, origin(sequence));
  handle(set, origin(300, 5));
  EXPECT_EQ(to_hex(set.snapshot()),
            "535057595345454e"
            "2b8bef2a"
            "01000000"
            "01"
            "01000000000000000000000000000000"
            "01"
            "00806e8774010000"
            "01"
            "0702"
            "010002"
            "a902a60200");
}

TEST(SeenSet, DamageIsNoticedWhereverItIs) {
  SeenSet set;
  for (const std::uint64_t sequence : {1, 2, 4, 9}) handle(set, origin(sequence));
  const std::string good = set.snapshot();
  SeenSet other;
  handle(other, origin(70));
  for (std::size_t at = 0; at < good.size(); ++at) {
    EXPECT_EQ(other.apply(std::string_view(good).substr(0, at)).error().code, ErrorCode::kCorrupt);
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    EXPECT_EQ(other.apply(bad).error().code, ErrorCode::kCorrupt) << at;
  }
  EXPECT_EQ(other.offer(origin(70), kNow), Sighting::kHandled) << "nothing of it was taken";
}

// What a set has to be, without any thought of memory.
struct NaiveSet {
  using Key = std::tuple<ProducerId, std::uint8_t, std::uint64_t>;
  static Key key(const Origin& origin) { return {origin.producer, origin.lane, origin.sequence}; }
  Sighting sighting(const Origin& origin) const {
    if (handled.contains(key(origin))) return Sighting::kHandled;
    return handling.contains(key(origin)) ? Sighting::kBeingHandled : Sighting::kNew;
  }
  std::set<Key> handled;
  std::set<Key> handling;
};

std::uint64_t first_seed() {
  const char* given = std::getenv("SPILLWAY_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : 1;
}

// Records of a few lanes, near each other, some of them given up: which, goes by their sequence.
class Records {
 public:
  explicit Records(Random& random) : random_(random), one_in_(2 + random.below(9)) {}
  bool given_up(std::uint64_t sequence) const {
    return sequence * 0x9e3779b97f4a7c15 % one_in_ == 0;
  }
  Origin any(std::uint64_t highest) {
    std::uint64_t sequence = 1 + random_.below(highest);
    while (given_up(sequence)) ++sequence;
    std::uint64_t previous = sequence - 1;
    while (previous > 0 && given_up(previous)) --previous;
    return origin(sequence, previous, static_cast<unsigned char>(random_.below(3)),
                  static_cast<std::uint8_t>(random_.below(3)));
  }

 private:
  Random& random_;
  std::uint64_t one_in_;
};

// A reader's way through copies, with restarts from what was committed. `exact`: the set has room
// for every gap; else it may have forgotten, but takes nothing for handled that was not, or given
// up.
void read_and_compare(std::uint64_t seed, const SeenSetOptions& options, bool exact) {
  Random random(seed);
  Records records(random);
  SeenSet set(options);
  std::string committed = set.snapshot();
  NaiveSet naive;
  std::vector<Origin> handling;
  std::uint64_t duplicates = 0;
  std::uint64_t forgotten = 0;
  for (int step = 0; step < 3000; ++step) {
    const Origin one = records.any(1 + static_cast<std::uint64_t>(step) / 20);
    const auto expected = naive.sighting(one);
    const auto sighting = set.offer(one, kNow);
    if (exact) {
      ASSERT_EQ(sighting, expected) << step;
      ASSERT_EQ(set.is_next(one),
                one.previous == 0 || naive.handled.contains(
                                         NaiveSet::key({one.producer, one.lane, one.previous, 0})))
          << step;
    } else {
      ASSERT_TRUE(sighting == expected || expected == Sighting::kHandled) << step;
      if (sighting == Sighting::kNew && expected == Sighting::kHandled) ++duplicates;
    }
    if (sighting == Sighting::kNew) {
      handling.push_back(one);
      naive.handling.insert(NaiveSet::key(one));
    }
    while (!handling.empty() && random.one_in(2)) {
      const auto at = handling.begin() + static_cast<std::ptrdiff_t>(random.below(handling.size()));
      const bool done = !random.one_in(5);
      done ? set.handled(*at) : set.abandoned(*at);
      if (done) naive.handled.insert(NaiveSet::key(*at));
      naive.handling.erase(NaiveSet::key(*at));
      handling.erase(at);
    }
    ASSERT_LE(set.gaps(), options.gaps_max);
    if (!random.one_in(50)) continue;
    // A commit; now and then the process goes on from it.
    SeenSet restarted(options);
    ASSERT_TRUE(restarted.apply(committed).ok());
    ASSERT_TRUE(restarted.apply(set.changes()).ok());
    if (exact) {
      ASSERT_EQ(restarted.gaps(), set.gaps());
    }
    committed = restarted.snapshot();
    const bool goes_on = random.one_in(4);
    forgotten += (goes_on ? set : restarted).counts().records_forgotten;
    if (!goes_on) continue;
    set = std::move(restarted);
    (void)set.snapshot();
    handling.clear();
    naive.handling.clear();
  }
  EXPECT_LE(duplicates, forgotten + set.counts().records_forgotten) << "each is counted";
}

TEST(SeenSet, IsASetOfOrigins) {
  for (std::uint64_t seed = first_seed(), last = seed + 40; seed < last; ++seed) {
    SCOPED_TRACE(fmt::format("SPILLWAY_SEED={}", seed));
    read_and_compare(seed, {.lane_gaps_max = 100'000}, true);
  }
}

TEST(SeenSet, WithoutRoomItMakesDuplicatesAndLosesNothing) {
  for (std::uint64_t seed = first_seed(), last = seed + 40; seed < last; ++seed) {
    SCOPED_TRACE(fmt::format("SPILLWAY_SEED={}", seed));
    read_and_compare(seed, {.lane_gaps_max = 3, .gaps_max = 12}, false);
  }
}

TEST(SeenSet, AThousandProducersOf256LanesTakeTwelveMegabytes) {
  const auto in_use = [] { return static_cast<double>(::mallinfo2().uordblks) / 1e6; };
  const double before = in_use();
  SeenSet set;
  Random random(1);
  for (int producer = 0; producer < 1000; ++producer) {
    Origin one;
    for (auto& byte : one.producer) byte = static_cast<unsigned char>(random.next());
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      one.lane = static_cast<std::uint8_t>(lane);
      for (one.sequence = 1; one.sequence <= 20; ++one.sequence) {
        one.previous = one.sequence - 1;
        if (one.sequence == 10 && lane % 64 == 0) continue;  // a gap in some
        set.offer(one, kNow);
        set.handled(one);
      }
    }
  }
  const double used = in_use() - before;
  const double written = static_cast<double>(set.snapshot().size()) / 1e6;
  fmt::print("1,000 producers x 256 lanes, {} gaps: {:.1f} MB, {:.2f} MB as a snapshot\n",
             set.gaps(), used, written);
  EXPECT_LT(used, 12);  // nothing under sanitizers, which have a malloc of their own
  EXPECT_LT(written, 2);
}

}  // namespace
}  // namespace spillway::stream
