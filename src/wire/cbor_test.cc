// Bodies written by hand from RFC 8949, and by DocumentWriter, decoded into shapes.
#include "wire/kinesis_shapes.h"

namespace spillway::wire {
namespace {

std::string bytes_of(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  return bytes;
}

// The message where it is refused, "" where not.
std::string refusal(std::string_view hex, const Shape& shape = kinesis::kCreateStreamInput,
                    Format format = Format::kCbor) {
  const auto body = bytes_of(hex);
  const auto value = decode_cbor(body, shape, format);
  return value.ok() ? "" : value.error().message;
}

TEST(Cbor, PutRecordsAsTheSdkForJavaWritesThem) {
  DocumentWriter to(Format::kCbor);
  to.open_map().text("StreamName", "s").key("Records").open_list();
  to.open_map().key("Data").blob("a\xff\0b").text("PartitionKey", "k").close_map();
  to.open_map().text("PartitionKey", "x").text("ExplicitHashKey", "7").key("Data").blob("");
  to.close_map().close_list().key("Unknown").open_map().key("deep").open_list();
  to.number(-5).boolean(true).time(from_millis(7)).blob("x").close_list().close_map().close_map();
  const SharedBytes body = std::move(to).finish();
  const auto value = decode_cbor(body.view(), kinesis::kPutRecordsInput, Format::kCbor);
  ASSERT_TRUE(value.ok()) << value.error().message;
  EXPECT_TRUE(violations(*value).empty());
  EXPECT_EQ((*value)["StreamName"].text, "s");
  const auto& records = (*value)["Records"].children;
  ASSERT_EQ(records.size(), 2u);
  char data[4];
  ASSERT_LE(blob_room(records[0]["Data"]), sizeof data);
  EXPECT_EQ(decode_blob(records[0]["Data"], data), blob_size(records[0]["Data"]));
  EXPECT_EQ(std::string_view(data, blob_size(records[0]["Data"])), std::string_view("a\xff"));
  EXPECT_TRUE(records[1]["Data"].present);
  EXPECT_EQ(blob_size(records[1]["Data"]), 0u);
  EXPECT_EQ(records[1]["ExplicitHashKey"].text, "7");
}

TEST(Cbor, DefiniteAndIndefiniteLengthsAndTags) {
  // {"StreamName": "abc", "ShardCount": 3}, the map definite, and the name in two chunks.
  EXPECT_EQ(refusal("a2"
                    "6a53747265616d4e616d65"
                    "7f6161626263ff"
                    "6a5368617264436f756e74"
                    "03"),
            "");
  // Behind tag 55799 ("this is CBOR"), with a null member.
  EXPECT_EQ(refusal("d9d9f7"
                    "bf"
                    "6453756263"
                    "f6"
                    "ff"),
            "");
}

TEST(Cbor, OfAMemberThatIsThereTwiceTheLastCounts) {
  const std::string name = "6a53747265616d4e616d65";  // "StreamName"
  const auto name_of = [&](std::string_view first, std::string_view second) {
    const auto body = bytes_of(fmt::format("a2{}{}{}{}", name, first, name, second));
    const auto value = decode_cbor(body, kinesis::kCreateStreamInput, Format::kCbor);
    return value.ok() ? std::string((*value)["StreamName"].string().value_or("none"))
                      : value.error().message;
  };
  EXPECT_EQ(name_of("6161", "6162"), "b");
  EXPECT_EQ(name_of("f6", "6162"), "b");
  EXPECT_EQ(name_of("6161", "f6"), "none");
}

TEST(Cbor, TimesAreMillisecondsForAwsAndSecondsForRpc) {
  const auto time_of = [](std::string_view item, Format format) {
    const auto body = bytes_of(fmt::format("a16954696d657374616d70{}", item));
    const auto value = decode_cbor(body, kinesis::kGetShardIteratorInput, format);
    return value.ok() ? fmt::format("{}", (*value)["Timestamp"].integer) : value.error().message;
  };
  EXPECT_EQ(time_of("c11b00000174876e807b", Format::kCbor), "1600000000123");
  EXPECT_EQ(time_of("c11a5f5e1000", Format::kRpcCbor), "1600000000000");
  EXPECT_EQ(time_of("c1fb41d7d7840007df3b", Format::kRpcCbor), "1600000000123");
  EXPECT_EQ(time_of("c1fb41d7d7840007df3b", Format::kCbor),
            "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to "
            "milliseconds since epoch");
  EXPECT_EQ(time_of("fb7ff8000000000000", Format::kRpcCbor), "A timestamp is out of range")
      << "NaN";
  EXPECT_EQ(time_of("1b7fffffffffffffff", Format::kCbor), "A timestamp is out of range");
}

TEST(Cbor, OtherTypesAndMalformedBodiesAreRefused) {
  const std::string name = "6a53747265616d4e616d65";   // "StreamName"
  const std::string count = "6a5368617264436f756e74";  // "ShardCount"
  const std::vector<std::string> malformed = {
      "",
      "a1",
      "f6",
      "80",
      "ff",
      "bf",
      "a000",
      "a10161",
      "a16141ff",
      "a161ff01",  // a name that is not UTF-8
      "a16141c1",
      "a161411f",
      "a1" + name,                           // no value
      "a1" + name + "07",                    // a number for a text
      "a1" + name + "4161",                  // bytes for a text
      "a1" + name + "61ff",                  // not UTF-8
      "a1" + name + "6261",                  // too short
      "a1" + name + "7f",                    // chunks without an end
      "a1" + name + "7f4161ff",              // a chunk of another type
      "a1" + name + "7f7f6161ffff",          // chunks of chunks
      "a1" + name + "1c",                    // a reserved length
      "a1" + name + "7bffffffffffffffff61",  // 2^64 - 1 bytes
      "a1" + count + "fb3ff0000000000000",   // 1.0 for an integer
      "a1" + count + "f5",                   // true for an integer
      "bbffffffffffffffff" + name + "6161",  // 2^64 - 1 members
      "a1" + name + "7affffffff61",          // 2^32 - 1 bytes
      "a1" + name + "7fff" + "00",           // something behind the map
      "a1" + name + "7f7bffffffffffffffff",  // a chunk of 2^64 - 1 bytes
      "a1" + name + "9bffffffffffffffff",    // a list of 2^64 - 1
      "a1" + name + "dbffffffffffffffff",    // a tag, and nothing behind it
      "a1" + name + "f8",                    // half a simple value
      "a1" + name + "f90000",                // a half float for a text
      "a1" + name + "ff",                    // a break for a value
      "bf" + name + "ff",                    // a name without a value
      "bfff" + name,                         // a name behind the end
  };
  for (const auto& hex : malformed) EXPECT_NE(refusal(hex), "") << hex;
}

TEST(Cbor, IntegersBeyond32BitsAreTheNearestOfThem) {
  const auto count_of = [](std::string_view item) {
    const auto body = bytes_of(fmt::format("a16a5368617264436f756e74{}", item));
    return (*decode_cbor(body, kinesis::kCreateStreamInput, Format::kCbor))["ShardCount"].integer;
  };
  EXPECT_EQ(count_of("1a7fffffff"), 2147483647);
  EXPECT_EQ(count_of("1a80000000"), 2147483647);
  EXPECT_EQ(count_of("1bffffffffffffffff"), 2147483647);
  EXPECT_EQ(count_of("3a7fffffff"), -2147483648);
  EXPECT_EQ(count_of("3bffffffffffffffff"), -2147483648);
}

TEST(Cbor, WhatNoShapeKnowsMayBeNestedSoFar) {
  const auto nested = [](int depth) {
    std::string hex = "a16178";
    for (int i = 0; i < depth; ++i) hex += "9f";
    for (int i = 0; i < depth; ++i) hex += "ff";
    return hex;
  };
  EXPECT_EQ(refusal(nested(64)), "");
  EXPECT_EQ(refusal(nested(65)), "The CBOR is nested too deeply");
  EXPECT_EQ(refusal(nested(100'000)), "The CBOR is nested too deeply");
}

TEST(Cbor, TagsUponTagsAndChunksUponChunksAreBounded) {
  std::string tags = "a16178";
  for (int i = 0; i < 100'000; ++i) tags += "c1";
  EXPECT_EQ(refusal(tags + "00"), "");
  std::string chunks = "a1617f7f";
  for (int i = 0; i < 100'000; ++i) chunks += "60";
  EXPECT_NE(refusal(chunks), "") << "without an end";
  std::string names = "bf";
  for (int i = 0; i < 5000; ++i) names += "7f6161ff00";
  EXPECT_EQ(refusal(names + "ff"), "Too many strings are in chunks");
}

TEST(Cbor, ALongListCostsNoMemoryBeyondItsLimit) {
  std::string hex =
      "a1675265636f726473"
      "9f";
  for (int i = 0; i < 10'000; ++i) hex += "a0";
  const auto body = bytes_of(hex + "ff");
  const auto value = decode_cbor(body, kinesis::kPutRecordsInput, Format::kCbor);
  ASSERT_TRUE(value.ok());
  EXPECT_EQ((*value)["Records"].children.size(), 501u);
  EXPECT_THAT(violations(*value, 1),
              testing::ElementsAre(testing::HasSubstr("length less than or equal to 500")));
}

}  // namespace
}  // namespace spillway::wire
