#include "wire/aggregate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/digest.h"
#include "base/random.h"

namespace spillway::wire {
namespace {

using Records = std::vector<UserRecord>;

std::string sealed(std::string_view message) {
  const auto digest = md5(message);
  return "\xf3\x89\x9a\xc2" + std::string(message) +
         std::string(reinterpret_cast<const char*>(digest.data()), digest.size());
}

// By hand from the format: two keys, one hash key, three records.
const std::string kGoldenMessage =
    std::string(
        "\x0a\x01"
        "a"
        "\x0a\x02"
        "bb"  // partition_key_table
        "\x12\x01"
        "7",  // explicit_hash_key_table
        10) +
    std::string(
        "\x1a\x05\x08\x00\x1a\x01"
        "x",
        7) +                                              // 0, "x"
    std::string("\x1a\x06\x08\x01\x10\x00\x1a\x00", 8) +  // 1, hash key 0, ""
    std::string(
        "\x1a\x07\x08\x00\x1a\x03\x00\xff"
        "z",
        9);
const Records kGoldenRecords{
    {"a", "x", std::nullopt}, {"bb", "", "7"}, {"a", std::string_view("\0\xffz", 3), std::nullopt}};

TEST(Aggregate, ReadsAndWritesTheFormatByteForByte) {
  EXPECT_EQ(split_aggregate(sealed(kGoldenMessage)), kGoldenRecords);
  EXPECT_EQ(make_aggregate(kGoldenRecords), sealed(kGoldenMessage));
}

TEST(Aggregate, PassesOverTagsAndUnknownFieldsInAnyOrder) {
  const std::string tagged =
      std::string(
          "\x1a\x0d\x08\x00\x1a\x01"
          "x"
          "\x22\x06\x0a\x01k\x12\x01v",
          15) +
      std::string(
          "\x0a\x01"
          "a",
          3) +                                                  // the table behind the record
      std::string("\x20\x96\x01", 3) +                          // field 4, a varint
      std::string("\x29\x01\x02\x03\x04\x05\x06\x07\x08", 9) +  // field 5, 64 bits
      std::string("\x35\x01\x02\x03\x04", 5);                   // field 6, 32 bits
  EXPECT_EQ(split_aggregate(sealed(tagged)), (Records{{"a", "x", std::nullopt}}));
}

TEST(Aggregate, OneOfTheTagsIsTheOrigin) {
  const std::string message = std::string(
                                  "\x0a\x01"
                                  "a"
                                  "\x1a\x1e\x08\x00\x1a\x01"
                                  "x",
                                  10) +
                              std::string("\x22\x06\x0a\x01k\x12\x01v", 8) +
                              std::string("\x22\x0f\x0a\x08spillway\x12\x03o.1", 17);
  const Records expected{{"a", "x", std::nullopt, "o.1"}};
  EXPECT_EQ(split_aggregate(sealed(message)), expected);
  EXPECT_EQ(split_aggregate(make_aggregate(expected)), expected);
}

TEST(Aggregate, TakesEverythingElseForAPlainRecord) {
  const std::string good = sealed(kGoldenMessage);
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(split_aggregate(std::string_view(good).substr(0, size))) << size;
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    EXPECT_FALSE(split_aggregate(bad)) << at;
  }
  for (const std::string_view message : {
           std::string_view("\x0a\x05"
                            "a",
                            3),              // longer than there are bytes
           std::string_view("\x0b", 1),      // a group
           std::string_view("\x02\x00", 2),  // field number 0
           std::string_view("\x1a\x05\x08\x00\x1a\x01"
                            "x"),  // no key of that number
           std::string_view("\x0a\x01"
                            "a\x1a\x02\x08\x00",
                            7),  // a record without data
           std::string_view("\x0a\x01"
                            "a\x1a\x07\x08\x00\x10\x00\x1a\x01"
                            "x",
                            12),                                                      // no hash key
           std::string_view("\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12),  // 11 bytes
       })
    EXPECT_FALSE(split_aggregate(sealed(message)));
  EXPECT_EQ(split_aggregate(sealed("")), Records());  // an aggregate of none
}

TEST(Aggregate, RoundTripsWhateverItIsGiven) {
  constexpr std::uint64_t kSeed = 1;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  Random random(kSeed);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> texts;
    for (std::uint64_t i = 0; i < 8; ++i) {
      texts.emplace_back(random.below(i == 0 ? 3 : 300), '\0');
      for (char& c : texts.back()) c = static_cast<char>(random.next());
    }
    Records records;
    for (std::uint64_t i = random.below(200); i > 0; --i) {
      UserRecord record{texts[random.below(8)], texts[random.below(8)], std::nullopt};
      if (random.one_in(3)) record.explicit_hash_key = texts[random.below(8)];
      if (random.one_in(3)) record.origin = texts[random.below(8)];
      records.push_back(record);
    }
    const std::string data = make_aggregate(records);
    ASSERT_EQ(split_aggregate(data), records);
  }
}

}  // namespace
}  // namespace spillway::wire
