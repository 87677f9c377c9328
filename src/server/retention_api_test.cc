// What a changed retention does to the records that are there.
#include "server/kinesis_api_fixture.h"

namespace spillway::server {
namespace {

using testing::HasSubstr;
using testing::Not;

class RetentionApiTest : public KinesisApiTest {
 protected:
  RetentionApiTest() { create("s", 1); }
  void put(std::string_view data) {
    EXPECT_THAT(ask("PutRecord",
                    fmt::format(R"({{"StreamName":"s","Data":"{}","PartitionKey":"k"}})", data)),
                HasSubstr("SequenceNumber"));
  }
  void set_hours(std::string_view operation, int hours) {
    EXPECT_EQ(
        ask(operation, fmt::format(R"({{"StreamName":"s","RetentionPeriodHours":{}}})", hours)),
        "");
  }
  void pass_hours(int hours) { clock_.ahead_ms += std::int64_t{hours} * 3'600'000; }
  // What there is from the trim horizon on.
  std::string records() {
    const auto horizon = iterator(R"("ShardIteratorType":"TRIM_HORIZON")");
    return ask("GetRecords",
               fmt::format(R"({{"ShardIterator":"{}"}})", value_of("ShardIterator", horizon)));
  }
};

TEST_F(RetentionApiTest, AnIncreaseKeepsWhatWouldHaveExpired) {
  put("AAAA");
  set_hours("IncreaseStreamRetentionPeriod", 48);
  pass_hours(30);
  EXPECT_THAT(records(), HasSubstr(R"("Data":"AAAA")"));
  pass_hours(19);
  EXPECT_THAT(records(), Not(HasSubstr("AAAA")));
}

TEST_F(RetentionApiTest, AnIncreaseDoesNotBringBackWhatHasExpired) {
  put("AAAA");
  pass_hours(12);
  put("BBBB");
  pass_hours(13);
  set_hours("IncreaseStreamRetentionPeriod", 168);
  EXPECT_THAT(records(), Not(HasSubstr("AAAA")));
  EXPECT_THAT(records(), HasSubstr(R"("Data":"BBBB")"));
  pass_hours(100);
  EXPECT_THAT(records(), HasSubstr(R"("Data":"BBBB")"));
}

TEST_F(RetentionApiTest, AClockThatWasAheadHidesNothingWhenItIsRight) {
  pass_hours(720);
  set_hours("IncreaseStreamRetentionPeriod", 48);
  pass_hours(-720);
  put("AAAA");
  EXPECT_THAT(records(), HasSubstr(R"("Data":"AAAA")"));
}

TEST_F(RetentionApiTest, ADecreaseHidesAtOnceWhatIsOlder) {
  set_hours("IncreaseStreamRetentionPeriod", 48);
  put("AAAA");
  pass_hours(30);
  put("BBBB");
  EXPECT_THAT(records(), HasSubstr(R"("Data":"AAAA")"));
  set_hours("DecreaseStreamRetentionPeriod", 24);
  EXPECT_THAT(records(), Not(HasSubstr("AAAA")));
  EXPECT_THAT(records(), HasSubstr(R"("Data":"BBBB")"));
}

}  // namespace
}  // namespace spillway::server
