// Integers, checksums and digests against published values.
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/digest.h"
#include "base/random.h"
#include "base/uint128.h"
#include "base/varint.h"

namespace spillway {
namespace {

TEST(Uint128, ParsesWhatItPrints) {
  for (const char* text :
       {"0", "1", "9", "10", "18446744073709551616", "340282366920938463463374607431768211455"}) {
    const auto value = parse_uint128(text);
    ASSERT_TRUE(value.has_value()) << text;
    EXPECT_EQ(to_string(*value), text);
  }
  EXPECT_EQ(*parse_uint128("340282366920938463463374607431768211455"), kUint128Max);
}

TEST(Uint128, RefusesWhatIsNotAHashKey) {
  for (const char* text :
       {"", "-1", "+1", "01", "00", " 1", "1 ", "1e3", "0x1",
        "340282366920938463463374607431768211456", "999999999999999999999999999999999999999",
        "1000000000000000000000000000000000000000"})
    EXPECT_FALSE(parse_uint128(text).has_value()) << text;
}

TEST(ByteReader, StopsAtTheEndAndStaysStopped) {
  std::string bytes;
  append_le(bytes, std::uint32_t{0x04030201});
  append_prefixed(bytes, "abc");
  EXPECT_EQ(bytes.substr(0, 4), "\x01\x02\x03\x04");
  ByteReader reader(bytes);
  EXPECT_EQ(reader.integer<std::uint32_t>(), 0x04030201u);
  EXPECT_EQ(reader.prefixed(), "abc");
  EXPECT_TRUE(reader.at_end());
  EXPECT_EQ(reader.integer<std::uint8_t>(), 0);
  EXPECT_FALSE(reader.ok());
  EXPECT_FALSE(reader.at_end());
}

TEST(Varint, HasUpTo64Bits) {
  for (const std::uint64_t value :
       {std::uint64_t{0}, std::uint64_t{127}, std::uint64_t{128}, std::uint64_t{300}, UINT64_MAX}) {
    std::string bytes;
    append_varint(bytes, value);
    ByteReader reader(bytes);
    EXPECT_EQ(read_varint(reader), value);
    EXPECT_TRUE(reader.at_end());
    ByteReader cut(std::string_view(bytes).substr(0, bytes.size() - 1));
    read_varint(cut);
    EXPECT_FALSE(cut.ok()) << value;
  }
  ByteReader longer("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02");
  read_varint(longer);
  EXPECT_FALSE(longer.ok());
}

TEST(ByteReader, DoesNotTrustALength) {
  std::string bytes;
  append_le(bytes, std::uint32_t{0xffffffff});
  bytes += "abc";
  ByteReader reader(bytes);
  EXPECT_EQ(reader.prefixed(), "");
  EXPECT_FALSE(reader.ok());
}

// RFC 3720, B.4.
TEST(Crc32c, MatchesThePublishedValues) {
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
}

TEST(Crc32c, GoesOnFromAnyPoint) {
  const std::string bytes = "The quick brown fox jumps over the lazy dog";
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut)
    EXPECT_EQ(crc32c(bytes.substr(cut), crc32c(bytes.substr(0, cut))), crc32c(bytes));
}

TEST(Crc32c, OfLongBytesIsThatOfTheirPieces) {
  Random random(7);
  std::string bytes(20'000, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.next());
  for (std::size_t size = 3000; size <= bytes.size(); size += 100 + size % 7) {
    std::uint32_t pieces = 0;
    for (std::size_t at = 0; at < size; at += 501)
      pieces =
          crc32c(std::string_view(bytes).substr(at, std::min<std::size_t>(501, size - at)), pieces);
    EXPECT_EQ(crc32c(std::string_view(bytes).substr(0, size)), pieces) << size;
  }
}

TEST(Digest, MatchesThePublishedValues) {
  EXPECT_EQ(to_hex(md5("abc")), "900150983cd24fb0d6963f7d28e17f72");  // RFC 1321
  EXPECT_EQ(to_hex(sha256("abc")),                                    // FIPS 180-2
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(hmac_sha256("Jefe", "what do ya want for nothing?")),  // RFC 4231, case 2
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(to_hex(hmac_sha256(std::string(131, '\xaa'),  // RFC 4231, case 6
                               "Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Digest, HashesBytesAsTheyArrive) {
  Sha256 hash;
  hash.update("a");
  hash.update("");
  hash.update("bc");
  EXPECT_EQ(hash.finish(), sha256("abc"));
  hash.update("abc");
  EXPECT_EQ(hash.finish(), sha256("abc")) << "finish() begins anew";
}

TEST(Digest, ComparesWholeStrings) {
  EXPECT_TRUE(equal_constant_time("abc", "abc"));
  EXPECT_FALSE(equal_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_constant_time("abc", "abcd"));
}

TEST(Random, RepeatsFromItsSeed) {
  Random a(42);
  Random b(42);
  Random other(43);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const auto number = a.next();
    EXPECT_EQ(number, b.next());
    differs = differs || number != other.next();
  }
  EXPECT_TRUE(differs);
}

TEST(Random, StaysWithinItsBounds) {
  Random random(7);
  std::array<int, 5> seen{};
  for (int i = 0; i < 1000; ++i) {
    ++seen[random.below(5)];
    const auto between = random.between(-3, 3);
    EXPECT_GE(between, -3);
    EXPECT_LE(between, 3);
  }
  for (const int count : seen) EXPECT_GT(count, 100);
}

}  // namespace
}  // namespace spillway
