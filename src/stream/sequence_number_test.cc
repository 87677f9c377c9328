#include "stream/sequence_number.h"

#include "base/random.h"

namespace spillway::stream {
namespace {

TEST(SequenceNumber, HasTheDescribedDigits) {
  const SequenceNumber number{0x065432100, 0x12, 0x0001000000000007, 0x065432abc};

  EXPECT_EQ(to_string(number).size(), 56u);
  const auto parsed = parse_sequence_number(to_string(number));
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->shard_created_seconds, 0x065432100);
  EXPECT_EQ(parsed->shard_index, 0x12u);
  EXPECT_EQ(parsed->counter, 0x0001000000000007u);
  EXPECT_EQ(parsed->arrival_seconds, 0x065432abc);
  // Computed apart: int("2" "065432100" "2" "0001000000000007" "00" "065432abc" "00000012" "2",
  // 16).
  EXPECT_EQ(to_string(number), "49646044433212636234711307781835926126034803269625184546");
}

TEST(SequenceNumber, RisesWithPositionsAndComesBack) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    ShardInfo shard;
    shard.index = static_cast<std::uint32_t>(random.next());
    shard.created_seconds = random.between(0, 4'000'000'000);
    std::string before = to_string(start_of(shard));
    Position position{random.below(std::uint64_t{1} << 62)};
    auto arrival = from_millis(shard.created_seconds * 1000);
    for (int i = 0; i < 20; ++i) {
      const auto number = sequence_number_of(shard, position, arrival);
      const std::string digits = to_string(number);
      EXPECT_GT(digits, before);
      const auto parsed = parse_sequence_number(digits);
      ASSERT_TRUE(parsed.has_value());
      EXPECT_TRUE(parsed->belongs_to(shard));
      EXPECT_EQ(parsed->position(), position);
      before = digits;
      position = position.plus(1 + random.below(1000));
      arrival += milliseconds(random.below(5000));
    }
    shard.ended = ShardEnd{position, arrival};
    EXPECT_GT(to_string(end_of(shard)), before);
    EXPECT_TRUE(parse_sequence_number(to_string(end_of(shard)))->is_shard_end());
    EXPECT_FALSE(parse_sequence_number(to_string(start_of(shard)))->position().has_value());
  }
}

TEST(SequenceNumber, RefusesOtherNumbers) {
  const std::string good = to_string(SequenceNumber{1'600'000'000, 3, 5, 1'600'000'001});
  EXPECT_TRUE(parse_sequence_number(good).has_value());
  EXPECT_FALSE(parse_sequence_number("0").has_value());
  EXPECT_FALSE(parse_sequence_number("").has_value());
  EXPECT_FALSE(parse_sequence_number(std::string(56, '9')).has_value());
  EXPECT_FALSE(parse_sequence_number(good + "0").has_value());
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string other = good;
    other[at] = 'x';
    EXPECT_FALSE(parse_sequence_number(other).has_value());
  }
  std::string last = good;
  last.back() = static_cast<char>(last.back() == '9' ? '8' : last.back() + 1);
  EXPECT_FALSE(parse_sequence_number(last).has_value()) << "its last hexadecimal digit is 2";
}

TEST(ShardName, ComesBack) {
  EXPECT_EQ(shard_name(7), "shardId-000000000007");
  EXPECT_EQ(parse_shard_name(shard_name(UINT32_MAX)), UINT32_MAX);
  for (const char* name : {"", "shardId-7", "shardId-0000000000070", "shardid-000000000007",
                           "shardId-00000000000x", "shardId-999999999999"})
    EXPECT_FALSE(parse_shard_name(name).has_value()) << name;
}

}  // namespace
}  // namespace spillway::stream
