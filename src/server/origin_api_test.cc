// Origins behind the API: what is taken, and who is told.
#include "server/kinesis_api_fixture.h"

namespace spillway::server {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kProducer = "000102030405060708090a0b0c0d0e0f";

// An entry of lane 128, but for what is said.
struct Entry {
  int sequence = 1;
  int previous = 0;
  int lane = 128;
  std::string hash_key = "170141183460469231731687303715884105728";  // 2^127
};

std::string members_of(const Entry& entry) {
  return fmt::format(
      R"("Data":"eA==","PartitionKey":"k","ExplicitHashKey":"{}","Origin":{{"Producer":"{}",)"
      R"("Lane":{},"Sequence":"{}","Previous":"{}"}})",
      entry.hash_key, kProducer, entry.lane, entry.sequence, entry.previous);
}

std::string told(int sequence, int previous) {
  return fmt::format(R"("PartitionKey":"k","Origin":{{"Producer":"{}","Lane":128,"Sequence":"{}",)"
                     R"("Previous":"{}"}}}})",
                     kProducer, sequence, previous);
}

class OriginApiTest : public KinesisApiTest {
 protected:
  std::string put(std::initializer_list<Entry> entries) {
    std::string records;
    for (const auto& entry : entries)
      records += fmt::format("{}{{{}}}", records.empty() ? "" : ",", members_of(entry));
    return ask("PutRecords", fmt::format(R"({{"StreamName":"s","Records":[{}]}})", records));
  }
  std::string put_one(const Entry& entry) {
    return ask("PutRecord", fmt::format(R"({{"StreamName":"s",{}}})", members_of(entry)));
  }
  std::string read() {
    const auto from = iterator(R"("ShardIteratorType":"TRIM_HORIZON")");
    return ask("GetRecords",
               fmt::format(R"({{"ShardIterator":"{}"}})", value_of("ShardIterator", from)));
  }
};

TEST_F(OriginApiTest, AreGivenBackToWhoAsksForThem) {
  create("s", 1);
  EXPECT_THAT(put({{.sequence = 7, .previous = 4}, {.sequence = 8, .previous = 7}}),
              HasSubstr(R"("FailedRecordCount":0)"));
  EXPECT_THAT(put_one({.sequence = 9, .previous = 8}), HasSubstr("SequenceNumber"));
  EXPECT_THAT(ask("PutRecord", R"({"StreamName":"s","Data":"eA==","PartitionKey":"k"})"),
              HasSubstr("SequenceNumber"));
  EXPECT_THAT(read(), Not(HasSubstr("Origin")));
  wants_origins_ = true;
  const auto answer = read();
  for (const auto& one : {told(7, 4), told(8, 7), told(9, 8)}) EXPECT_THAT(answer, HasSubstr(one));
  EXPECT_EQ(count_of("Origin", answer), 3u) << "the last record has none";
}

TEST_F(OriginApiTest, ThatContradictThemselvesAreRefused) {
  create("s", 1);
  EXPECT_EQ(put_one({.sequence = 4, .previous = 4}),
            error("InvalidArgumentException",
                  "Invalid Origin. Previous must be below Sequence. Specified values were 4 and "
                  "4"));
  EXPECT_EQ(put({{.sequence = 4, .lane = 128}, {.sequence = 5, .previous = 4, .lane = 7}}),
            error("InvalidArgumentException",
                  "Invalid Origin. Lane must be the top 8 bits of the record's hash key, 128. "
                  "Specified value was 7"));
  EXPECT_THAT(ask("PutRecord", R"({"StreamName":"s","Data":"","PartitionKey":"k","Origin":{}})"),
              HasSubstr("Value null at 'origin.producer' failed to satisfy constraint"));
  EXPECT_THAT(read(), HasSubstr(R"("Records":[])")) << "nothing of it is stored";
}

TEST_F(OriginApiTest, AStreamThatChoosesShardsTakesAnyLane) {
  ask("CreateStream", R"({"StreamName":"s","StreamModeDetails":{"StreamMode":"ON_DEMAND"},)"
                      R"("RecordDistributionStrategy":"AUTO"})");
  EXPECT_THAT(put({{.lane = 7}, {.lane = 8}}), HasSubstr(R"("FailedRecordCount":0)"));
}

}  // namespace
}  // namespace spillway::server
