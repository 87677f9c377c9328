#include "broker/runway.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "io/recording_log.h"

namespace spillway::broker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class RunwayTest : public testing::Test {
 protected:
  // Each second so many records of 936 bytes, a thousand with what is stored beside them.
  void pass(int duration, std::uint64_t records_a_second) {
    for (int i = 0; i < duration; ++i) {
      now_ += seconds(1);
      look_.accepted_records += records_a_second;
      look_.accepted_bytes += 936 * records_a_second;
      runway_.look(look_, now_);
    }
  }

  io::RecordingLog log_;
  metrics::Registry metrics_;
  Runway runway_{std::chrono::hours(1), log_, metrics_};
  Runway::Look look_{.stored_bytes = 1'000'000'000, .limit_bytes = 1'000'000'000};
  MonoTime now_{};
};

TEST_F(RunwayTest, WithoutRecordsThereIsNone) {
  pass(100, 0);
  EXPECT_FALSE(runway_.left());
  EXPECT_TRUE(log_.events.empty());
}

TEST_F(RunwayTest, IsTheRoomOverTheRateOfTheLastMinute) {
  pass(100, 10);
  EXPECT_EQ(runway_.left(), seconds(100'000));
  pass(30, 30);
  EXPECT_EQ(runway_.left(), seconds(50'000)) << "half of the minute";
  pass(30, 30);
  EXPECT_NEAR(static_cast<double>(runway_.left()->count()) / 1e9, 33'333, 1);
  EXPECT_THAT(metrics_.prometheus_text(), HasSubstr("spillway_spool_runway_seconds 33333"));
}

TEST_F(RunwayTest, WhatIsHeldHasNoRoomForOthersAndWhatIsDeliveredHas) {
  pass(100, 10);
  look_.held_records = 250'000;
  pass(1, 10);
  EXPECT_EQ(runway_.left(), seconds(75'000));
  look_.held_records = 5'000'000;
  pass(1, 10);
  EXPECT_EQ(runway_.left(), seconds(0)) << "not more than is stored";
}

TEST_F(RunwayTest, AShortOneIsToldOnceAndThatItIsOver) {
  pass(59, 1000);
  EXPECT_TRUE(log_.events.empty()) << "a burst is no rate";
  pass(60, 1000);
  pass(120, 10);
  EXPECT_THAT(log_.events, ElementsAre("the spool would be full soon if nothing were delivered",
                                       "the spool would last long enough again"));
}

TEST_F(RunwayTest, OfAFullSpoolIsNone) {
  pass(100, 1000);
  look_.full = true;
  look_.held_records = 1'000'000;
  pass(100, 0);
  EXPECT_EQ(runway_.left(), seconds(0)) << "though nothing was accepted for a minute";
  EXPECT_THAT(metrics_.prometheus_text(), HasSubstr("spillway_spool_runway_seconds 0"));
  look_.full = false;
  look_.held_records = 1'000;
  pass(1, 0);
  EXPECT_EQ(runway_.left(), seconds(0)) << "nobody knows yet what comes";
  pass(30, 1);
  EXPECT_THAT(log_.events, ElementsAre("the spool would be full soon if nothing were delivered"))
      << "seconds of few records are no rate";
  pass(60, 1);
  EXPECT_THAT(log_.events, ElementsAre("the spool would be full soon if nothing were delivered",
                                       "the spool would last long enough again"));
}

TEST_F(RunwayTest, AnAlarmIsNeededForAFullSpoolToBeTold) {
  runway_.set_alarm(seconds(0));
  look_.full = true;
  pass(100, 0);
  EXPECT_TRUE(log_.events.empty());
  runway_.set_alarm(seconds(1));
  pass(1, 0);
  EXPECT_THAT(log_.events, ElementsAre("the spool would be full soon if nothing were delivered"));
}

TEST_F(RunwayTest, TheAlarmGoesByWhatItIsSetTo) {
  pass(61, 1000);
  runway_.set_alarm(seconds(0));
  pass(1, 1000);
  runway_.set_alarm(std::chrono::hours(1));
  pass(1, 1000);
  EXPECT_THAT(log_.events, ElementsAre("the spool would be full soon if nothing were delivered",
                                       "the spool would last long enough again",
                                       "the spool would be full soon if nothing were delivered"));
}

}  // namespace
}  // namespace spillway::broker
