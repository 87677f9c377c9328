#include "broker/http_records.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace spillway::broker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class HttpRecordsTest : public testing::Test {
 protected:
  // With what has to stand behind a body.
  Result<HttpRecords> read(HttpBody kind, std::string_view body,
                           const PartitionKeyRule& rule = {}) {
    body_ = body;
    body_.reserve(body_.size() + kHttpBodyPadding);
    return read_http_records(kind, body_, rule, 7);
  }
  // Each as NUMBER KEY=DATA, or NUMBER! for what is refused.
  std::vector<std::string> texts(HttpBody kind, std::string_view body,
                                 const PartitionKeyRule& rule = {}) {
    const auto all = read(kind, body, rule);
    if (!all.ok()) return {all.error().message};
    std::vector<std::string> found;
    found.reserve(all->records.size() + all->refused.size());
    for (const auto& record : all->records)
      found.push_back(fmt::format("{} {}={}", record.number, record.key, record.data));
    for (const auto& refused : all->refused) found.push_back(fmt::format("{}!", refused.number));
    return found;
  }
  std::string why(HttpBody kind, std::string_view body, const PartitionKeyRule& rule = {}) {
    const auto all = read(kind, body, rule);
    if (!all.ok()) return all.error().message;
    return all->refused.empty() ? "" : all->refused.front().why;
  }

 private:
  std::string body_;
};

const PartitionKeyRule kOneKey{"k", ""};

TEST_F(HttpRecordsTest, TakesEachLineAsItCame) {
  EXPECT_THAT(texts(HttpBody::kLines, "{\"a\": 1}\n\r\n  [ 2 ]\t\r\n\"three\"\n4", kOneKey),
              ElementsAre("1 k={\"a\": 1}", "3 k=[ 2 ]", "4 k=\"three\"", "5 k=4"));
  EXPECT_THAT(texts(HttpBody::kLines, ""), IsEmpty());
  EXPECT_THAT(texts(HttpBody::kLines, "\n \n"), IsEmpty());
}

TEST_F(HttpRecordsTest, ALineThatIsNotJsonCostsNoOther) {
  EXPECT_THAT(texts(HttpBody::kLines, "{\"a\":1}\n{\"a\":\n1 2\n\"\xff\"\n[1]\n", kOneKey),
              ElementsAre("1 k={\"a\":1}", "5 k=[1]", "2!", "3!", "4!"));
  EXPECT_THAT(why(HttpBody::kLines, "{"), HasSubstr("not JSON"));
}

TEST_F(HttpRecordsTest, TakesTheElementsOfAnArray) {
  EXPECT_THAT(texts(HttpBody::kArray, " [ {\"a\": [1, 2]} , \"],\\\"\" ,3]\n", kOneKey),
              ElementsAre("1 k={\"a\": [1, 2]}", "2 k=\"],\\\"\"", "3 k=3"));
  EXPECT_THAT(texts(HttpBody::kArray, "[]"), IsEmpty());
  EXPECT_THAT(texts(HttpBody::kArray, "[ \n ]"), IsEmpty());
  EXPECT_THAT(texts(HttpBody::kArray, "[1,,{\"a\"},2]", kOneKey),
              ElementsAre("1 k=1", "4 k=2", "2!", "3!"));
}

TEST_F(HttpRecordsTest, AnArrayThatIsNoneIsRefusedWhole) {
  for (const std::string_view body :
       {"", "{}", "[1", "[1,", "[1] 2", "[}]", "[\"a]", "[{1,2]", "1]"})
    EXPECT_FALSE(read(HttpBody::kArray, body).ok()) << body;
}

TEST_F(HttpRecordsTest, PartitionKeysAreThoseOfAMember) {
  const PartitionKeyRule customer{"", "customer"};
  EXPECT_THAT(texts(HttpBody::kLines,
                    "{\"customer\":\"a\\u0062\"}\n{\"customer\":17}\n{\"customer\":true}\n"
                    "{\"customer\":18446744073709551615}\n",
                    customer),
              ElementsAre("1 ab={\"customer\":\"a\\u0062\"}", "2 17={\"customer\":17}",
                          "3 true={\"customer\":true}",
                          "4 18446744073709551615={\"customer\":18446744073709551615}"));
  EXPECT_THAT(texts(HttpBody::kLines, "{\"a\":{\"b\":[0,\"x\"]}}", {"", "/a/b/1"}),
              ElementsAre("1 x={\"a\":{\"b\":[0,\"x\"]}}"));
  for (const std::string_view line : {"{}", "3", "[]", "{\"customer\":null}", "{\"customer\":1.5}",
                                      "{\"customer\":\"\"}", "{\"customer\":{}}"})
    EXPECT_THAT(why(HttpBody::kLines, line, customer), HasSubstr("member customer")) << line;
  const auto long_key = fmt::format("{{\"customer\":\"{}\"}}", std::string(257, 'k'));
  EXPECT_THAT(why(HttpBody::kLines, long_key, customer), HasSubstr("1 to 256 characters"));
}

TEST_F(HttpRecordsTest, WithoutARuleEachRecordHasAKeyOfItsOwn) {
  EXPECT_THAT(texts(HttpBody::kLines, "1\n2\n"),
              ElementsAre("1 0000000000000007=1", "2 0000000000000008=2"));
}

TEST_F(HttpRecordsTest, ARecordIsWhatAStreamTakes) {
  const std::string most = "\"" + std::string(kHttpRecordBytesMax - 3, 'x') + "\"";
  EXPECT_THAT(why(HttpBody::kLines, most, kOneKey), IsEmpty());
  EXPECT_THAT(why(HttpBody::kLines, most, {"kk", ""}), HasSubstr("1048577 bytes with its key"));
  EXPECT_THAT(why(HttpBody::kLines, most + "xx", kOneKey), HasSubstr("a record may have 1048576"));
  EXPECT_THAT(texts(HttpBody::kLines, "1\n" + most + "xx\n2", kOneKey),
              ElementsAre("1 k=1", "3 k=2", "2!"));
}

TEST_F(HttpRecordsTest, ABodyHasSoManyRecordsAtMost) {
  std::string lines;
  std::string array = "[1";
  for (std::size_t i = 0; i < kHttpRecordsMax; ++i) lines += "1\n\n";
  for (std::size_t i = 1; i < kHttpRecordsMax; ++i) array += ",1";
  EXPECT_EQ(read(HttpBody::kLines, lines)->records.size(), kHttpRecordsMax);
  EXPECT_EQ(read(HttpBody::kArray, array + "]")->records.size(), kHttpRecordsMax);
  EXPECT_THAT(why(HttpBody::kLines, lines + "1"), HasSubstr("10000 records at most"));
  EXPECT_THAT(why(HttpBody::kArray, array + ",1]"), HasSubstr("10000 records at most"));
}

}  // namespace
}  // namespace spillway::broker
