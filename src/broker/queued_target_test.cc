#include "broker/queued_target.h"

#include <gmock/gmock.h>

#include "broker/spool_samples.h"

namespace spillway::broker {
namespace {

class QueuedTargetTest : public testing::Test {
 protected:
  ~QueuedTargetTest() override {
    target_.silent = false;
    queued_.close();
    loop_.run();
  }
  void put(int count, std::size_t bytes = 1) {
    for (int i = 0; i < count; ++i) {
      std::vector<client::PutEntry> entries(1);
      entries.front() = {"k", std::string(bytes, 'x'), std::nullopt, stream::Origin{{1}, 0, 1, 0}};
      start(queued_.put("s", std::move(entries)),
            UniqueFunction<void(Result<client::PutRecordsResult>)>([this](const auto& result) {
              if (result.ok()) ++answered_;
              if (!result.ok() && result.error().code == ErrorCode::kClosed) ++closed_;
            }));
    }
    loop_.run();
  }
  void answer(nanoseconds after) {
    loop_.run(after);
    target_.answer();
    loop_.run();
  }
  double shown() const {
    const auto text = metrics_.prometheus_text();
    const std::string name = R"(spillway_broker_target_requests_limit{target="a"} )";
    const auto at = text.find(name);
    return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size()));
  }

  io::ManualLoop loop_;
  metrics::Registry metrics_;
  FakeTarget target_{loop_};
  bool takes_ = true;
  QueuedTarget queued_{loop_, target_, [this] { return takes_; }, metrics_};
  int answered_ = 0;
  int closed_ = 0;
};

TEST_F(QueuedTargetTest, AsManyAreUnderWayAsTheTargetTakes) {
  target_.silent = true;
  put(100);
  EXPECT_EQ(target_.in_flight, 8);
  EXPECT_TRUE(queued_.waiting());
  EXPECT_EQ(shown(), 8);
  answer(milliseconds(20));
  EXPECT_EQ(answered_, 8);
  EXPECT_EQ(target_.in_flight, 12) << "they were quick";
  EXPECT_EQ(shown(), 12);
  for (int i = 0; i < 20; ++i) answer(milliseconds(20));
  EXPECT_EQ(answered_, 100);
  EXPECT_FALSE(queued_.waiting());
  EXPECT_LE(target_.most_in_flight, 64);
}

TEST_F(QueuedTargetTest, FewerWhereItThrottles) {
  target_.silent = true;
  target_.refuse_every = 1;
  put(400);
  for (int i = 0; i < 20; ++i) answer(milliseconds(20));
  EXPECT_EQ(target_.in_flight, 1);
  EXPECT_EQ(shown(), 1);
}

TEST_F(QueuedTargetTest, AnewWhereItDoesNotAnswer) {
  target_.silent = true;
  put(400);
  for (int i = 0; i < 5; ++i) answer(milliseconds(20));
  EXPECT_EQ(target_.in_flight, 28);
  target_.down = true;
  answer(milliseconds(20));
  target_.down = false;
  EXPECT_EQ(target_.in_flight, 8);
}

TEST_F(QueuedTargetTest, OfLargeOnesFourMebibytesAreUnderWay) {
  target_.silent = true;
  put(100, 1'000'000);
  EXPECT_EQ(target_.in_flight, 4);
  for (int i = 0; i < 5; ++i) answer(milliseconds(20));
  EXPECT_EQ(target_.in_flight, 4) << "nothing shows that it would take more";
}

TEST_F(QueuedTargetTest, OfSmallerOnesMoreWhereItTakesThem) {
  target_.silent = true;
  put(300, 500'000);
  EXPECT_EQ(target_.in_flight, 8);
  for (int i = 0; i < 10; ++i) answer(milliseconds(20));
  EXPECT_EQ(target_.in_flight, 16) << "8 MiB";
}

TEST_F(QueuedTargetTest, OneThatIsLargerThanAllGoesAlone) {
  target_.silent = true;
  put(3, 9'000'000);
  EXPECT_EQ(target_.in_flight, 1);
  answer(milliseconds(20));
  EXPECT_EQ(target_.in_flight, 1);
}

TEST_F(QueuedTargetTest, NoneIsSentThatIsNotTaken) {
  takes_ = false;
  put(3);
  EXPECT_EQ(target_.in_flight, 0);
  EXPECT_FALSE(queued_.may_send());
  takes_ = true;
  put(1);
  EXPECT_EQ(answered_, 4);
}

TEST_F(QueuedTargetTest, ThoseThatNobodyWaitsForKeepOthersFromBeingSent) {
  target_.silent = true;
  put(10);
  queued_.abandon();
  EXPECT_EQ(closed_, 10);
  EXPECT_FALSE(queued_.may_send());
  answer(milliseconds(20));
  EXPECT_TRUE(queued_.may_send());
  EXPECT_EQ(target_.stored.size(), 8u) << "the two that waited were never sent";
}

}  // namespace
}  // namespace spillway::broker
