#include "cli/tail_merge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "base/random.h"

namespace spillway::cli {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

MonoTime at(int ms) { return MonoTime(milliseconds(ms)); }

client::Record record(std::int64_t arrival, std::string data = "") {
  return {"0", "key", std::move(data), from_millis(arrival)};
}

std::vector<client::Record> records(std::initializer_list<int> arrivals) {
  std::vector<client::Record> all;
  for (const int arrival : arrivals) all.push_back(record(arrival));
  return all;
}

// What may go at `ms`, as "SHARD ARRIVAL".
std::vector<std::string> taken(TailMerge& merge, int ms) {
  std::vector<std::string> all;
  while (auto next = merge.take(at(ms)))
    all.push_back(next->shard_id + " " + std::to_string(to_millis(next->record.arrival)));
  return all;
}

TEST(TailMerge, GoesByArrivalThenShardAsSoonAsNothingCanComeBefore) {
  TailMerge merge;
  merge.add("a");
  merge.add("b");
  merge.give("b", records({10, 20, 20, 30}), at(1));
  EXPECT_THAT(taken(merge, 1), IsEmpty()) << "a was not heard of";
  merge.give("a", records({5, 20}), at(2));
  EXPECT_THAT(taken(merge, 2), ElementsAre("a 5", "b 10", "a 20"))
      << "a may give another one of 20, which belongs before b's";
  EXPECT_TRUE(merge.waiting("b"));
  EXPECT_FALSE(merge.waiting("a"));
  merge.give("a", records({25}), at(3));
  EXPECT_THAT(taken(merge, 3), ElementsAre("b 20", "b 20", "a 25"));
  merge.give("a", records({30}), at(4));
  EXPECT_THAT(taken(merge, 4), ElementsAre("a 30"));
  merge.remove("a");
  EXPECT_THAT(taken(merge, 4), ElementsAre("b 30"));
  EXPECT_EQ(merge.waiting(), 0u);
}

TEST(TailMerge, AShardAtItsTipHoldsUpNothingThatCameBeforeTheLook) {
  TailMerge merge;
  merge.add("a");
  merge.add("b");
  merge.at_tip("a", at(100));
  merge.give("b", records({7}), at(100));
  EXPECT_THAT(taken(merge, 101), IsEmpty()) << "a may have got an earlier one since it was asked";
  merge.at_tip("a", at(101));
  EXPECT_THAT(taken(merge, 102), ElementsAre("b 7"));
}

TEST(TailMerge, NobodyWaitsForASilentShardLongerThanTheBound) {
  TailMerge merge;
  merge.add("a");
  merge.give("b", records({7}), at(0));
  merge.give("b", records({8}), at(10));
  EXPECT_THAT(taken(merge, 4999), IsEmpty());
  EXPECT_THAT(taken(merge, 5000), ElementsAre("b 7"));
  EXPECT_THAT(taken(merge, 5010), ElementsAre("b 8"));
}

TEST(TailMerge, NoMoreWaitsThanTheBound) {
  TailMerge merge;
  merge.add("a");
  const std::string quarter(TailMerge::kBytesMax / 4, 'x');
  for (int i = 0; i < 6; ++i) merge.give("b", {record(i, quarter)}, at(0));
  EXPECT_THAT(taken(merge, 0), ElementsAre("b 0", "b 1", "b 2"));
  EXPECT_TRUE(merge.take_anyway().has_value());
  EXPECT_EQ(merge.waiting(), 2u);
}

TEST(TailMerge, AShardKeepsItsOrderWhereTheClockWentBack) {
  TailMerge merge;
  merge.give("a", records({9, 3, 4}), at(0));
  merge.remove("a");
  EXPECT_THAT(taken(merge, 0), ElementsAre("a 9", "a 9", "a 9"));
}

// Shards that are read in turns of any size, history first: the order is total.
void read_in_turns(Random random) {
  std::map<std::string, std::deque<client::Record>> unread;
  for (const char* id : {"a", "b", "c", "d"}) {
    std::int64_t arrival = 0;
    for (int i = 0; i < 200; ++i) unread[id].push_back(record(arrival += random.between(0, 2)));
  }
  TailMerge merge;
  for (const auto& [id, all] : unread) merge.add(id);
  std::vector<std::pair<WallTime, std::string>> out;
  for (int turn = 0; out.size() < 800; ++turn) {
    auto& [id, rest] = *std::next(unread.begin(), random.between(0, 3));
    if (!merge.waiting(id)) {
      std::vector<client::Record> some;
      for (auto n = random.below(20); n > 0 && !rest.empty(); --n) {
        some.push_back(rest.front());
        rest.pop_front();
      }
      if (!some.empty()) merge.give(id, some, at(turn));
      if (rest.empty()) merge.at_tip(id, at(turn + 1));
    }
    while (auto next = merge.take(at(turn + 1)))
      out.emplace_back(next->record.arrival, next->shard_id);
    ASSERT_LT(turn, 4000) << "it stands still";
  }
  EXPECT_TRUE(std::is_sorted(out.begin(), out.end()));
}

TEST(TailMerge, AnyTurnsGiveTheSameOrder) {
  const char* given = std::getenv("SPILLWAY_SEED");
  const std::uint64_t first = given == nullptr ? 1 : std::strtoull(given, nullptr, 10);
  for (std::uint64_t seed = first; seed < first + 50; ++seed) {
    SCOPED_TRACE("SPILLWAY_SEED=" + std::to_string(seed));
    read_in_turns(Random(seed));
  }
}

}  // namespace
}  // namespace spillway::cli
