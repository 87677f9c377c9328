#include "broker/marked_target.h"

#include <gmock/gmock.h>

#include "broker/spool_samples.h"

namespace spillway::broker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kCanaries(FakeTarget::kCanaryStream);

class MarkedTargetTest : public testing::Test {
 protected:
  MarkedTargetTest() {
    fake_.number = 10;
    marked_.on_set_back([this](std::string found) { found_.push_back(std::move(found)); });
  }

  ErrorCode put(const std::string& stream = "s") {
    std::vector<client::PutEntry> entries(1);
    entries.front() = {"k", "k-1", std::nullopt, stream::Origin{}};
    std::optional<ErrorCode> code;
    start(marked_.put(stream, std::move(entries)),
          UniqueFunction<void(Result<client::PutRecordsResult>)>(
              [&code](const Result<client::PutRecordsResult>& result) {
                code = result.ok() ? ErrorCode{} : result.error().code;
              }));
    loop_.run(milliseconds(1));
    return code.value();
  }
  bool put_ok(const std::string& stream = "s") { return put(stream) == ErrorCode{}; }
  // As a region that was away and has another disk.
  void restore(std::uint64_t number) {
    fake_.down = true;
    EXPECT_EQ(put(), ErrorCode::kIo);
    fake_.down = false;
    fake_.lost = *fake_.number > number;
    fake_.number = number;
  }

  io::ManualLoop loop_;
  FakeTarget fake_{loop_, "a"};
  MarkedTarget marked_{loop_, fake_, kCanaries};
  std::vector<std::string> found_;
};

TEST_F(MarkedTargetTest, ATargetThatComesAndGoesIsFine) {
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(put_ok());
    restore(*fake_.number);
    loop_.run(seconds(2));
  }
  EXPECT_THAT(found_, IsEmpty());
  EXPECT_EQ(fake_.looks, 4) << "once each time";
}

TEST_F(MarkedTargetTest, WhatItLacksShowsBeforeAnythingIsSent) {
  EXPECT_TRUE(put_ok());
  EXPECT_TRUE(put_ok());
  restore(11);
  const auto puts = fake_.puts;
  EXPECT_EQ(put(), ErrorCode::kThrottled);
  EXPECT_EQ(fake_.puts, puts);
  ASSERT_EQ(found_.size(), 1u);
  EXPECT_THAT(found_.front(), HasSubstr("in shard 0 of stream s it lacks 11, which it "
                                        "acknowledged at "));
  EXPECT_TRUE(put_ok()) << "what it is asked from then on is for others to decide";
  EXPECT_EQ(found_.size(), 1u);
}

TEST_F(MarkedTargetTest, OneThatDoesntAnswerIsLookedAtAgain) {
  EXPECT_TRUE(put_ok());
  fake_.down = true;
  EXPECT_EQ(put(), ErrorCode::kIo);
  const auto puts = fake_.puts;
  EXPECT_EQ(put(), ErrorCode::kIo);
  EXPECT_EQ(fake_.puts, puts) << "it is looked at first";
  fake_.down = false;
  fake_.lost = true;
  EXPECT_EQ(put(), ErrorCode::kThrottled);
}

TEST_F(MarkedTargetTest, AnAnswerShowsItWhereNothingElseDid) {
  EXPECT_TRUE(put_ok());
  EXPECT_TRUE(put_ok());
  fake_.number = 11;
  EXPECT_TRUE(put_ok());
  EXPECT_THAT(found_, ElementsAre(HasSubstr("it gave 11 to a record, though it had acknowledged "
                                            "11")));
}

TEST_F(MarkedTargetTest, ACanaryShowsItToo) {
  EXPECT_TRUE(put_ok());
  EXPECT_TRUE(put_ok(kCanaries));
  restore(10);
  EXPECT_EQ(put(kCanaries), ErrorCode::kThrottled);
  EXPECT_THAT(found_, ElementsAre(HasSubstr("in shard 0 of stream s it lacks 10")));
}

TEST_F(MarkedTargetTest, AStreamThatIsGoneWasThere) {
  EXPECT_TRUE(put_ok());
  fake_.gone = true;
  EXPECT_EQ(put(), ErrorCode::kNotFound);
  std::optional<ErrorCode> code;
  start(marked_.prepare("s"),
        UniqueFunction<void(Status)>([&](const Status& status) { code = status.error().code; }));
  loop_.run(milliseconds(1));
  EXPECT_EQ(code, ErrorCode::kThrottled);
  EXPECT_THAT(fake_.prepared, IsEmpty()) << "it isn't made anew";
  EXPECT_THAT(found_, ElementsAre(HasSubstr("no stream")));
}

TEST_F(MarkedTargetTest, AShardThatMayHaveExpiredIsNotMissed) {
  EXPECT_TRUE(put_ok());
  fake_.gone = true;
  EXPECT_EQ(put(), ErrorCode::kNotFound);
  loop_.run(std::chrono::hours(24));
  EXPECT_EQ(put(), ErrorCode::kNotFound);
  EXPECT_THAT(found_, IsEmpty());
}

TEST_F(MarkedTargetTest, ATimeAheadOfTheClockIsNone) {
  const auto gone_after = [this](milliseconds ahead) {
    found_.clear();
    FakeTarget fake(loop_, "b");
    fake.gone = true;
    MarkedTarget marked(loop_, fake, kCanaries);
    marked.on_set_back([this](std::string found) { found_.push_back(std::move(found)); });
    marked.marks().restore({fake.address(), {{{"s", "0"}, {"10", loop_.wall_now() + ahead}}}});
    start(marked.prepare("s"), UniqueFunction<void(Status)>([](const Status&) {}));
    loop_.run(milliseconds(1));
    EXPECT_EQ(fake.looks, 1);
    return !found_.empty();
  };
  EXPECT_TRUE(gone_after(milliseconds(0)));
  EXPECT_TRUE(gone_after(std::chrono::minutes(59))) << "a clock may be off";
  for (const auto ahead : {2, 24 * 365 * 20})
    EXPECT_FALSE(gone_after(std::chrono::hours(ahead))) << "the shard may have expired long ago";
}

TEST_F(MarkedTargetTest, OfAmazonANumberThatIsRefusedShowsNothing) {
  FakeTarget fake(loop_, "b");
  fake.packed_as = LanePacking::kAggregate;
  MarkedTarget marked(loop_, fake, kCanaries);
  marked.on_set_back([this](std::string found) { found_.push_back(std::move(found)); });
  marked.marks().restore({fake.address(), {{{"s", "0"}, {"10", loop_.wall_now()}}}});
  fake.lost = true;
  bool prepared = false;
  start(marked.prepare("s"),
        UniqueFunction<void(Status)>([&](const Status& status) { prepared = status.ok(); }));
  loop_.run(milliseconds(1));
  EXPECT_TRUE(prepared);
  EXPECT_EQ(fake.looks, 1);
  EXPECT_THAT(found_, IsEmpty());
}

TEST_F(MarkedTargetTest, WhatWasAcceptedCountsAsItIs) {
  EXPECT_TRUE(put_ok());
  restore(3);
  EXPECT_EQ(put(), ErrorCode::kThrottled);
  marked_.accept();
  EXPECT_TRUE(put_ok());
  EXPECT_EQ(found_.size(), 1u);
  fake_.number = 2;
  EXPECT_TRUE(put_ok());
  EXPECT_EQ(found_.size(), 2u) << "from then on it is watched again";
}

}  // namespace
}  // namespace spillway::broker
