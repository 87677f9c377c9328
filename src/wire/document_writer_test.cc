#include "wire/document_writer.h"

#include "wire/kinesis_shapes.h"

namespace spillway::wire {
namespace {

// One of everything.
SharedBytes sample(Format format, std::size_t reserve = 256) {
  DocumentWriter to(format, reserve);
  to.open_map().text("Text", "a\"\n\xc3\xa9").key("List").open_list();
  to.number(0).number(-1).number(23).number(24).number(-500).number(1'000'000'000'000);
  to.close_list().boolean("Yes", true).boolean("No", false).key("Empty").open_list().close_list();
  to.time("At", from_millis(1'600'000'000'123)).key("Blob").blob("hi\xff").key("Map").open_map();
  to.close_map().key("Plain");
  std::memcpy(to.plain_text(2), "ok", 2);
  to.close_map();
  return std::move(to).finish();
}

std::string hex(std::string_view bytes) {
  std::string text;
  for (const unsigned char byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

TEST(DocumentWriter, WritesJsonWithoutNeedlessSpaces) {
  EXPECT_EQ(sample(Format::kJson).view(),
            R"({"Text":"a\"\u000a)"
            "\xc3\xa9"
            R"(","List":[0,-1,23,24,-500,1000000000000],"Yes":true,"No":false,"Empty":[],)"
            R"("At":1600000000.123,"Blob":"aGn/","Map":{},"Plain":"ok"})");
}

// By hand from RFC 8949, appendix A and section 3.
TEST(DocumentWriter, WritesCbor) {
  const std::string before =
      "bf6454657874656122"
      "0ac3a9"
      "644c697374"
      "9f0020"
      "17"
      "1818"
      "3901f3"
      "1b000000e8d4a51000"
      "ff"
      "63596573f5"
      "624e6ff4"
      "65456d7074799fff"
      "624174c1";
  const std::string after =
      "64426c6f62436869ff"
      "634d6170bfff"
      "65506c61696e626f6b"
      "ff";
  EXPECT_EQ(hex(sample(Format::kCbor).view()), before + "1b00000174876e807b" + after);
  EXPECT_EQ(hex(sample(Format::kRpcCbor).view()), before +
                                                      "fb41d7d78400"
                                                      "07df3b" +
                                                      after);
}

TEST(DocumentWriter, GrowsWithoutLosingAnything) {
  for (const auto format : {Format::kJson, Format::kCbor, Format::kRpcCbor})
    EXPECT_EQ(sample(format, 1).view(), sample(format, 4096).view());
}

}  // namespace
}  // namespace spillway::wire
