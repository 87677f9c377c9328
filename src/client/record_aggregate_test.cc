#include "client/record_aggregate.h"

#include <gtest/gtest.h>

#include "stream/hash_key.h"
#include "wire/aggregate.h"

namespace spillway::client {
namespace {

stream::Origin origin(std::uint64_t sequence) { return {{1, 2, 3}, 143, sequence, sequence - 1}; }

TEST(RecordAggregate, BringsOriginsThroughKinesis) {
  const std::vector<PutEntry> entries{{"k", "one", std::nullopt, origin(7)},
                                      {"k", std::string("\0two", 4), std::nullopt, origin(8)},
                                      {"k", "", std::nullopt, origin(9)}};
  const PutEntry whole = aggregate(entries);
  EXPECT_EQ(whole.partition_key, "k");
  EXPECT_EQ(whole.explicit_hash_key, to_string(stream::hash_key_of("k")))
      << "an explicit one, that no split separates it from its records";
  EXPECT_FALSE(whole.origin);
  std::size_t size = 0;
  for (const auto& entry : entries)
    size += entry.data.size() + entry.partition_key.size() + kAggregateEntryBytes;
  EXPECT_LE(whole.data.size(), size + kAggregateBytes);

  const auto records = take_apart({"49", whole.partition_key, whole.data, from_millis(5)});
  ASSERT_EQ(records.size(), entries.size());
  for (std::size_t i = 0; i < records.size(); ++i) {
    EXPECT_EQ(records[i].data, entries[i].data);
    EXPECT_EQ(records[i].partition_key, "k");
    EXPECT_EQ(records[i].origin, entries[i].origin);
    EXPECT_EQ(records[i].sequence_number, "49");
    EXPECT_EQ(records[i].arrival, from_millis(5));
  }
}

TEST(RecordAggregate, HasTheHashKeyOfItsRecords) {
  EXPECT_EQ(aggregate(std::vector<PutEntry>{{"k", "x", "17", origin(1)}}).explicit_hash_key, "17");
}

TEST(RecordAggregate, APlainRecordIsLeftWhole) {
  const auto records = take_apart({"49", "k", "plain", from_millis(5)});
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].data, "plain");
}

// A place within it could not be committed, and nothing tells its records from copies.
TEST(RecordAggregate, OneWithARecordWithoutAnOriginIsLeftWhole) {
  const std::vector<PutEntry> entries{{"k", "one", std::nullopt, origin(7)},
                                      {"k", "two", std::nullopt, std::nullopt}};
  const PutEntry whole = aggregate(entries);
  const auto records = take_apart({"49", "k", whole.data, from_millis(5)});
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].data, whole.data);
  EXPECT_FALSE(records[0].origin);
  const wire::UserRecord forged{"k", "x", std::nullopt, "0123.1.2.3"};
  EXPECT_EQ(take_apart({"49", "k", wire::make_aggregate({&forged, 1}), {}}).size(), 1u);
  EXPECT_FALSE(take_apart({"49", "k", wire::make_aggregate({&forged, 1}), {}})[0].origin);
}

// A key is in an aggregate once, however many records have it.
TEST(RecordAggregate, OneWithAKeyThatIsTooLongIsLeftWhole) {
  const std::string longest(256, 'k');
  const auto parts = [](const std::string& key) {
    const std::vector<wire::UserRecord> records(
        1000, {key, "", std::nullopt, std::string_view("00000000000000000000000000000001.2.3.2")});
    return take_apart({"49", "k", wire::make_aggregate(records), {}}).size();
  };
  EXPECT_EQ(parts(longest), 1000u);
  EXPECT_EQ(parts(longest + "k"), 1u);
  EXPECT_EQ(parts(std::string(500'000, '\x80')), 1u) << "no characters at all";
}

// The most that a forger can make of it: the shortest origin, no data, the longest key.
TEST(RecordAggregate, WhatIsTakenFromItIsBounded) {
  std::string key;
  for (int i = 0; i < 128; ++i) key += "\xf0\x9f\x8c\x8a";
  const std::vector<wire::UserRecord> records(
      10'000, {key, "", std::nullopt, std::string_view("00000000000000000000000000000001.2.3.2")});
  const Record whole{"49", "k", wire::make_aggregate(records), {}};
  const auto parts = take_apart(whole);
  ASSERT_EQ(parts.size(), records.size());
  std::size_t size = 0;
  for (const auto& part : parts) size += part.partition_key.size() + part.data.size();
  EXPECT_LT(size, 20 * whole.data.size());
}

TEST(RecordAggregate, AnAggregateOfNothingIsARecord) {
  const std::string data = wire::make_aggregate({});
  const auto records = take_apart({"49", "k", data, from_millis(5)});
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].data, data);
  EXPECT_EQ(records[0].partition_key, "k");
}

// At its largest: a lane, sequences and a hash key of all their digits.
TEST(RecordAggregate, StaysBelowItsBound) {
  const stream::Origin largest{{}, 255, 9'999'999'999'999'999'999u, 9'999'999'999'999'999'998u};
  const std::vector<PutEntry> entries(
      500, {std::string(1024, 'k'), std::string(100'000, 'x'), to_string(kUint128Max), largest});
  EXPECT_LE(aggregate(entries).data.size(),
            500 * (100'000 + 1024 + kAggregateEntryBytes) + kAggregateBytes);
}

}  // namespace
}  // namespace spillway::client
