#include "stream/origin.h"

#include <gtest/gtest.h>

namespace spillway::stream {
namespace {

TEST(Origin, ProducersAreHexadecimal) {
  const std::string text = "000102030405060708090a0b0c0d0eff";
  const auto producer = parse_producer(text);
  ASSERT_TRUE(producer);
  EXPECT_EQ((*producer)[1], 1);
  EXPECT_EQ((*producer)[15], 0xff);
  EXPECT_EQ(to_string(*producer), text);
  for (const char* other :
       {"", "00", "000102030405060708090a0b0c0d0eFF", "000102030405060708090a0b0c0d0eff0",
        "000102030405060708090a0b0c0d0efg"})
    EXPECT_FALSE(parse_producer(other)) << other;
}

TEST(Origin, SequencesAreDecimal) {
  EXPECT_EQ(parse_sequence("0"), 0u);
  EXPECT_EQ(parse_sequence("9999999999999999999"), 9'999'999'999'999'999'999u);
  for (const char* other : {"", "01", "-1", "1 ", "0x1", "10000000000000000000"})
    EXPECT_FALSE(parse_sequence(other)) << other;
}

TEST(Origin, HasATextOfItsOwn) {
  const std::string text = "000102030405060708090a0b0c0d0eff.255.17.16";
  const auto origin = parse_origin(text);
  ASSERT_TRUE(origin);
  EXPECT_EQ(origin->lane, 255);
  EXPECT_EQ(origin->sequence, 17u);
  EXPECT_EQ(origin->previous, 16u);
  EXPECT_EQ(to_string(*origin), text);
  for (const char* other :
       {"", "000102030405060708090a0b0c0d0eff", ".255.17.16",
        "000102030405060708090a0b0c0d0eff.256.17.16", "000102030405060708090a0b0c0d0eff.1.17.17",
        "000102030405060708090a0b0c0d0eff.1.17", "..0.0",
        "000102030405060708090a0b0c0d0eff.1.17.16.5"})
    EXPECT_FALSE(parse_origin(other)) << other;
}

}  // namespace
}  // namespace spillway::stream
