#include <gmock/gmock.h>

#include "broker/delivery_samples.h"

namespace spillway::broker {
namespace {

class LingerTest : public DeliveryTest {
 protected:
  static constexpr nanoseconds kLinger = milliseconds(200);

  LingerTest() {
    put_now(1, 1);
    loop_.run(seconds(1));
    delivery_->set_linger(kLinger);
    target_.puts = 0;
  }
  void put_now(int first, int count) {
    engine_.arrival = loop_.wall_now();
    put("a", first, count);
  }
};

TEST_F(LingerTest, LessThanARequestWaitsUntilItsFirstRecordIsSoOld) {
  put_now(2, 1);
  loop_.run(milliseconds(150));
  put_now(3, 1);
  loop_.run(milliseconds(49));
  EXPECT_EQ(target_.puts, 0);
  loop_.run(milliseconds(1));
  EXPECT_EQ(target_.puts, 1);
  EXPECT_EQ(stored()["a"], up_to(3));
}

TEST_F(LingerTest, WhatFillsARequestIsSentAtOnce) {
  put_now(2, 499);
  loop_.run(milliseconds(10));
  EXPECT_EQ(target_.puts, 0);
  put_now(501, 1);
  loop_.run();
  EXPECT_EQ(target_.puts, 1);
  EXPECT_EQ(stored()["a"], up_to(501));
}

TEST_F(LingerTest, SoIsWhatFillsItByItsBytes) {
  const std::string data = "a-2" + std::string(300'000, ' ');
  const std::vector<stream::RecordView> record{{"a", data, std::nullopt, std::nullopt}};
  engine_.arrival = loop_.wall_now();
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(put(record), 0u);
    loop_.run();
    EXPECT_EQ(target_.puts, 0);
  }
  ASSERT_EQ(put(record), 0u);
  loop_.run();
  EXPECT_EQ(target_.puts, 1) << "three of them";
  EXPECT_EQ(delivery_->held(), 1u);
  loop_.run(kLinger);
  EXPECT_EQ(delivery_->held(), 0u);
}

TEST_F(LingerTest, WhatIsOldAlreadyWaitsForNothing) {
  engine_.arrival = loop_.wall_now() - seconds(10);
  put("a", 2, 1);
  loop_.run();
  EXPECT_EQ(target_.puts, 1);
}

TEST_F(LingerTest, NothingWaitsLongerWhateverTheClockSays) {
  engine_.arrival = loop_.wall_now() + std::chrono::hours(1);
  put("a", 2, 1);
  loop_.run(kLinger - milliseconds(1));
  EXPECT_EQ(target_.puts, 0);
  loop_.run(milliseconds(1));
  EXPECT_EQ(target_.puts, 1) << "by that clock it is to come yet";
}

TEST_F(LingerTest, MayChange) {
  put_now(2, 1);
  loop_.run(milliseconds(100));
  delivery_->set_linger(nanoseconds(0));
  put_now(3, 1);
  loop_.run(milliseconds(100));
  EXPECT_EQ(target_.puts, 1) << "what waits does so for the time that it had";
  put_now(4, 1);
  loop_.run();
  EXPECT_EQ(target_.puts, 2);
}

TEST_F(LingerTest, TheEndWaitsForNothing) {
  put_now(2, 3);
  loop_.run();
  EXPECT_EQ(target_.puts, 0);
  bool ended = false;
  delivery_->drain(seconds(5), [&] { ended = true; });
  running_ = false;
  loop_.run();
  EXPECT_TRUE(ended);
  EXPECT_EQ(stored()["a"], up_to(4));
}

TEST_F(LingerTest, WhoeverTakesOverSendsWhatWaited) {
  put_now(2, 3);
  loop_.run();
  bool ended = false;
  delivery_->leave(seconds(5), [&] { ended = true; });
  loop_.run();
  ASSERT_TRUE(ended);
  EXPECT_EQ(delivery_->held(), 3u);
  replace();
  loop_.run();
  EXPECT_EQ(stored()["a"], up_to(4));
}

TEST_F(LingerTest, WhatWaitsIsHeldInNoMemory) {
  put_now(2, 10);
  loop_.run();
  engine_.reads = 0;
  put_now(12, 10);
  loop_.run();
  EXPECT_EQ(engine_.reads, 0u) << "nor is it read for every record that comes";
  loop_.run(kLinger);
  EXPECT_EQ(stored()["a"], up_to(21));
}

}  // namespace
}  // namespace spillway::broker
