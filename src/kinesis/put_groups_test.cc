#include "kinesis/put_groups.h"

namespace spillway::kinesis {
namespace {

constexpr Uint128 lane_start(unsigned lane) { return Uint128{lane} << 120; }

// Two shards, with a boundary within lane 128.
stream::StreamInfo divided_stream() {
  const Uint128 middle = lane_start(128) + 1000;
  stream::StreamInfo stream;
  stream.shards.push_back({.id = 1, .index = 0, .last_hash_key = middle - 1});
  stream.shards.push_back(
      {.id = 2, .index = 1, .first_hash_key = middle, .last_hash_key = kUint128Max});
  return stream;
}

TEST(PutGroups, OnlyTheAppendsOfADividedLaneShareAFate) {
  const auto stream = divided_stream();
  const wire::Value data;
  std::vector<PutEntry> entries(6);
  const Uint128 keys[] = {lane_start(128), lane_start(128) + 1000, lane_start(3),
                          lane_start(200), lane_start(128) + 1,    lane_start(128) + 2000};
  for (std::size_t i = 0; i < entries.size(); ++i) {
    entries[i].data = &data;
    entries[i].hash_key = keys[i];
    if (i != 5)
      entries[i].origin = stream::Origin{{}, static_cast<std::uint8_t>(keys[i] >> 120), i + 1, i};
  }
  const auto groups = group(stream, entries);
  std::vector<std::string> found;
  found.reserve(groups.size());
  for (const auto& one : groups)
    found.push_back(
        fmt::format("shard {} fate {} records {}", one.shard->id, one.fate, one.entries.size()));
  EXPECT_THAT(found, testing::UnorderedElementsAre(
                         "shard 1 fate 129 records 2", "shard 2 fate 129 records 1",
                         "shard 1 fate 0 records 1", "shard 2 fate 0 records 2"))
      << "a record without an origin goes with the others";
}

}  // namespace
}  // namespace spillway::kinesis
