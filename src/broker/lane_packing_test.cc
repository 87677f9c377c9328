#include "broker/lane_packing.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "base/random.h"
#include "client/record_aggregate.h"
#include "stream/hash_key.h"

namespace spillway::broker {
namespace {

using client::PutEntry;
using testing::ElementsAre;
using testing::HasSubstr;
using Numbers = std::vector<std::size_t>;

// A record of the lane `lane` with the hash key `hash_key` in it.
PutEntry entry(std::uint8_t lane, std::uint64_t hash_key, std::uint64_t sequence,
               std::string data = "x") {
  return {"k", std::move(data), to_string((Uint128{lane} << 120) + hash_key),
          stream::Origin{{1}, lane, sequence, sequence - 1}};
}

Numbers all(const std::vector<PutEntry>& entries) {
  Numbers numbers(entries.size());
  std::iota(numbers.begin(), numbers.end(), std::size_t{0});
  return numbers;
}

// Lane 1 has two hash keys, lane 2 has one, lane 3 too.
const std::vector<PutEntry> kEntries{entry(1, 7, 1), entry(2, 7, 1), entry(1, 7, 2), entry(1, 8, 3),
                                     entry(2, 7, 2), entry(1, 7, 4), entry(3, 9, 1)};

TEST(LanePacking, ARequestHasOneRecordOfALane) {
  const auto pending = all(kEntries);
  EXPECT_EQ(next_of_lanes(kEntries, pending, LanePacking::kPrefix, {99}), pending);
  EXPECT_THAT(next_of_lanes(kEntries, pending, LanePacking::kSingle, {99}), ElementsAre(0, 1, 6));
  EXPECT_THAT(next_of_lanes(kEntries, Numbers{2, 3, 4}, LanePacking::kSingle, {99}),
              ElementsAre(2, 4));
}

TEST(LanePacking, OrOneAggregateOfOneHashKey) {
  EXPECT_THAT(next_of_lanes(kEntries, all(kEntries), LanePacking::kAggregate, {99}),
              ElementsAre(0, 1, 2, 4, 6))
      << "5 is behind 3, which has another hash key";
  EXPECT_THAT(next_of_lanes(kEntries, Numbers{3, 5}, LanePacking::kAggregate, {99}),
              ElementsAre(3));
}

TEST(LanePacking, NoMoreThanItMay) {
  for (const auto packing : {LanePacking::kPrefix, LanePacking::kSingle, LanePacking::kAggregate})
    EXPECT_EQ(next_of_lanes(kEntries, all(kEntries), packing, {2}), (Numbers{0, 1}));
}

TEST(LanePacking, NoMoreBytesThanItMayButForOneRecord) {
  const std::vector<PutEntry> entries{entry(1, 7, 1, std::string(99, 'x')),
                                      entry(1, 7, 2, std::string(99, 'x')), entry(2, 7, 1, "y")};
  EXPECT_EQ(next_of_lanes(entries, all(entries), LanePacking::kPrefix, {99, 200}), (Numbers{0, 1}));
  EXPECT_EQ(next_of_lanes(entries, all(entries), LanePacking::kPrefix, {99, 199}), Numbers{0})
      << "what is behind it in its lane doesn't go before it";
  EXPECT_EQ(next_of_lanes(entries, all(entries), LanePacking::kSingle, {99, 102}), (Numbers{0, 2}));
  EXPECT_EQ(next_of_lanes(entries, all(entries), LanePacking::kPrefix, {99, 1}), Numbers{0});
}

// Whatever there is: each lane is in one of them, in its order, and none has much more than others.
TEST(LanePacking, DealsLanesOutEvenly) {
  constexpr std::uint64_t kSeed = 1;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  Random random(kSeed);
  for (int round = 0; round < 300; ++round) {
    const RequestBounds bounds{1 + random.below(50), 100 + random.below(1000)};
    std::vector<PutEntry> entries;
    std::size_t bytes = 0;
    const auto lanes = 1 + random.below(32);
    for (auto count = 1 + random.below(400); count > 0; --count) {
      entries.push_back(entry(static_cast<std::uint8_t>(random.below(lanes)), 7, count,
                              std::string(random.below(60), 'd')));
      bytes += entries.back().data.size() + 1;
    }
    Numbers pending;
    for (std::size_t i = 0; i < entries.size(); ++i)
      if (!random.one_in(5)) pending.push_back(i);
    if (pending.empty()) continue;
    const auto dealt = deal_lanes(entries, pending, bounds);
    Numbers found;
    std::map<std::uint8_t, std::size_t> request_of;
    for (std::size_t request = 0; request < dealt.size(); ++request) {
      EXPECT_FALSE(dealt[request].empty());
      EXPECT_TRUE(std::ranges::is_sorted(dealt[request]));
      for (const auto number : dealt[request]) {
        found.push_back(number);
        const auto lane = entries[number].origin->lane;
        EXPECT_EQ(request_of.try_emplace(lane, request).first->second, request) << "lane " << +lane;
      }
    }
    std::ranges::sort(found);
    EXPECT_EQ(found, pending);
    EXPECT_LE(dealt.size(), requests_for(entries.size(), bytes, bounds));
  }
}

TEST(LanePacking, ALaneThatFillsARequestHasItAlone) {
  std::vector<PutEntry> entries;
  entries.reserve(100);
  for (std::uint64_t i = 0; i < 50; ++i) entries.push_back(entry(9, 7, i + 1));
  for (std::uint64_t i = 0; i < 50; ++i)
    entries.push_back(entry(static_cast<std::uint8_t>(i % 8), 7, i + 1));
  const auto dealt = deal_lanes(entries, all(entries), {.records = 50});
  ASSERT_EQ(dealt.size(), 2u);
  EXPECT_EQ(dealt[0].size(), 50u);
  EXPECT_EQ(std::ranges::count_if(dealt[0], [&](auto i) { return i < 50; }) % 50, 0);
}

TEST(LanePacking, WhatFitsOneRequestIsNotDealtOut) {
  EXPECT_THAT(deal_lanes(kEntries, all(kEntries), {.records = kEntries.size()}),
              ElementsAre(all(kEntries)));
  EXPECT_THAT(deal_lanes(kEntries, all(kEntries), {.records = kEntries.size() - 1}),
              testing::SizeIs(2));
}

TEST(LanePacking, PartitionKeysWithoutAHashKeyHaveTheirOwn) {
  const std::uint8_t lane = stream::lane_of(stream::hash_key_of("a"));
  const stream::Origin origin{{1}, lane, 1, 0};
  const std::vector<PutEntry> entries{{"a", "x", std::nullopt, origin},
                                      {"a", "x", std::nullopt, origin},
                                      {"b", "x", to_string(stream::hash_key_of("a")), origin},
                                      {"b", "x", to_string(stream::hash_key_of("a") + 1), origin}};
  EXPECT_EQ(next_of_lanes(entries, all(entries), LanePacking::kAggregate, {99}),
            (Numbers{0, 1, 2}));
}

TEST(LanePacking, AggregatesHoldTheOriginsAndTheHashKey) {
  const Numbers taken{0, 1, 2, 4, 6};
  std::vector<PutEntry> entries;
  for (const auto i : taken) entries.push_back(kEntries[i]);
  const auto packed = pack_lanes(entries);
  EXPECT_THAT(packed.record_of, ElementsAre(0, 1, 0, 1, 2));
  ASSERT_EQ(packed.records.size(), 3u);
  for (std::size_t record = 0; record < packed.records.size(); ++record) {
    const auto& sent = packed.records[record];
    EXPECT_FALSE(sent.origin) << "Amazon Kinesis has no such member";
    std::vector<stream::Origin> origins;
    for (const auto& one : client::take_apart({"1", sent.partition_key, sent.data, {}}))
      origins.push_back(one.origin.value());
    std::vector<stream::Origin> expected;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (packed.record_of[i] != record) continue;
      expected.push_back(*entries[i].origin);
      EXPECT_EQ(sent.explicit_hash_key, entries[i].explicit_hash_key);
    }
    EXPECT_EQ(origins, expected);
  }
}

TEST(LanePacking, AnEntryWithoutAnOriginGoesAsItIs) {
  const auto packed = pack_lanes({{"canary", "canary", std::nullopt, std::nullopt}});
  ASSERT_EQ(packed.records.size(), 1u);
  EXPECT_EQ(packed.records[0].data, "canary");
}

TEST(LanePacking, WhatFitsNoAggregateGoesAlone) {
  const std::string large(kAggregateBytesMax - 100, 'x');
  const std::string half(kAggregateBytesMax / 2 + 1, 'x');
  const auto& one = kEntries[0];
  const std::string inner = client::aggregate({&one, 1}).data;
  const std::vector<PutEntry> entries{entry(1, 7, 1),       entry(1, 7, 2, large),
                                      entry(1, 7, 3),       entry(1, 7, 4, inner),
                                      entry(1, 7, 5, half), entry(1, 7, 6, half)};
  auto pending = all(entries);
  for (const auto& expected :
       {Numbers{0}, Numbers{1}, Numbers{2}, Numbers{3}, Numbers{4}, Numbers{5}}) {
    const auto taken = next_of_lanes(entries, pending, LanePacking::kAggregate, {99});
    ASSERT_EQ(taken, expected);
    pending.erase(pending.begin());
    const auto& sent = entries[taken.front()];
    const auto packed = pack_lanes({sent});
    ASSERT_EQ(packed.records.size(), 1u);
    const auto& record = packed.records[0];
    EXPECT_FALSE(record.origin);
    EXPECT_LE(record.data.size() + record.partition_key.size(), kAggregateBytesMax);
    const bool as_it_is = sent.data == large || sent.data == inner;
    EXPECT_EQ(record.data == sent.data, as_it_is);
  }
}

// Whatever is pending: nothing overtakes in a lane, an aggregate has one hash key, and fits.
TEST(LanePacking, KeepsLanesInOrderWhateverThereIs) {
  constexpr std::uint64_t kSeed = 1;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  Random random(kSeed);
  for (int round = 0; round < 300; ++round) {
    std::vector<PutEntry> entries;
    std::map<std::uint8_t, std::uint64_t> sequences;
    for (auto count = 1 + random.below(100); count > 0; --count) {
      const auto lane = static_cast<std::uint8_t>(random.below(4));
      const std::size_t size = random.one_in(10) ? kAggregateBytesMax / 3 : random.below(50);
      entries.push_back(entry(lane, random.below(2), ++sequences[lane], std::string(size, 'd')));
    }
    const auto packing = random.one_in(2) ? LanePacking::kSingle : LanePacking::kAggregate;
    auto pending = all(entries);
    std::map<std::uint8_t, std::uint64_t> stored;
    while (!pending.empty()) {
      const auto taken = next_of_lanes(entries, pending, packing, {1 + random.below(60)});
      ASSERT_FALSE(taken.empty());
      std::vector<PutEntry> request;
      for (const auto number : taken) {
        const auto& origin = *entries[number].origin;
        ASSERT_EQ(origin.sequence, ++stored[origin.lane]) << "a prefix of what is pending";
        request.push_back(entries[number]);
      }
      const auto packed = pack_lanes(request);
      std::set<std::uint8_t> lanes;
      for (const auto& record : packed.records) {
        ASSERT_TRUE(
            lanes.insert(stream::lane_of(*parse_uint128(*record.explicit_hash_key))).second);
        ASSERT_LE(record.data.size() + record.partition_key.size(), kAggregateBytesMax);
      }
      for (std::size_t i = 0; i < request.size(); ++i)
        ASSERT_EQ(packed.records[packed.record_of[i]].explicit_hash_key,
                  request[i].explicit_hash_key);
      std::erase_if(pending,
                    [&](std::size_t i) { return std::ranges::find(taken, i) != taken.end(); });
    }
  }
}

TEST(LanePacking, EntriesShareTheFateOfTheirRecord) {
  const std::vector<PutEntry> entries{kEntries[0], kEntries[1], kEntries[2]};
  const auto packed = pack_lanes(entries);
  client::PutRecordsResult result;
  result.outcomes.resize(2);
  result.outcomes[0].error_code = "ProvisionedThroughputExceededException";
  result.outcomes[1].sequence_number = "17";
  auto outcomes = outcomes_of_entries(packed, result);
  ASSERT_TRUE(outcomes.ok());
  EXPECT_EQ(outcomes->failed, 2u);
  EXPECT_FALSE(outcomes->outcomes[0].ok());
  EXPECT_EQ(outcomes->outcomes[1].sequence_number, "17");
  EXPECT_FALSE(outcomes->outcomes[2].ok());

  result.outcomes[0].error_code = "ValidationException";
  outcomes = outcomes_of_entries(packed, result);
  ASSERT_FALSE(outcomes.ok()) << "one of two is refused for what it is";
  EXPECT_EQ(outcomes.error().code, ErrorCode::kInvalid);
  result.outcomes = {{}, {"", "", "ValidationException", "too large", false}};
  outcomes = outcomes_of_entries(packed, result);
  ASSERT_TRUE(outcomes.ok()) << "it is known which";
  EXPECT_THAT(outcomes->outcomes[1].error_message, HasSubstr("too large"));
}

}  // namespace
}  // namespace spillway::broker
