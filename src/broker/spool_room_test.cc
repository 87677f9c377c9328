#include "broker/spool_room.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "stream/memory_engine.h"

namespace spillway::broker {
namespace {

using std::chrono::minutes;
using testing::HasSubstr;
using testing::IsEmpty;

class SpoolRoomTest : public testing::Test {
 protected:
  // Each minute one more record is delivered.
  void look(int times) {
    for (int i = 0; i < times; ++i) {
      now_ += minutes(1);
      room_.look({{7, {++delivered_}}}, now_);
    }
  }
  std::uint64_t released() { return engine_.released.contains(7) ? engine_.released[7].value : 0; }

  stream::MemoryEngine engine_;
  io::SilentLog log_;
  metrics::Registry metrics_;
  SpoolRoom room_{{.bytes = 1000, .keep = minutes(10)}, engine_, log_, metrics_};
  MonoTime now_{};
  std::uint64_t delivered_ = 0;
};

TEST_F(SpoolRoomTest, WhatIsDeliveredStaysWhileThereIsRoom) {
  engine_.stored = 700;
  look(100);
  EXPECT_THAT(engine_.released, IsEmpty());
}

TEST_F(SpoolRoomTest, WhatWasDeliveredLongAgoGoesFirst) {
  engine_.stored = 800;
  look(5);
  EXPECT_EQ(released(), 0u) << "all of it is young";
  look(15);
  EXPECT_EQ(released(), 10u) << "20 are delivered, 10 of them within ten minutes";
}

TEST_F(SpoolRoomTest, AllThatIsDeliveredGoesBeforeRecordsAreRefused) {
  engine_.stored = 900;
  look(1);
  EXPECT_EQ(released(), 1u);
  EXPECT_TRUE(room_.takes().ok());
  look(1);
  EXPECT_EQ(released(), 2u);
}

TEST_F(SpoolRoomTest, OfADiskThatIsSmallerTheRoomIsWhatItHasLeft) {
  constexpr auto kMin = SpoolRoom::kDiskLeftMin;
  engine_.stored = 300;
  room_.look({{7, {1}}}, now_, kMin + 700);
  EXPECT_EQ(room_.limit_bytes(), 1000u);
  room_.look({{7, {2}}}, now_, kMin + 699);
  EXPECT_EQ(room_.limit_bytes(), 999u);
  room_.look({{7, {3}}}, now_, kMin + 40);
  EXPECT_EQ(released(), 0u);
  room_.look({{7, {4}}}, now_, kMin + 30);
  EXPECT_EQ(released(), 4u) << "nine tenths of what there is are taken";
  engine_.stored = 1'200;
  room_.look({{7, {5}}}, now_, kMin + 30);
  EXPECT_EQ(room_.limit_bytes(), 1000u);
}

TEST_F(SpoolRoomTest, AllThatIsDeliveredGoesBeforeRecordsAreRefusedForTheDisk) {
  engine_.stored = 150;
  room_.look({{7, {1}}}, now_, SpoolRoom::kDiskLeftMin - 1);
  EXPECT_FALSE(room_.takes().ok());
  EXPECT_EQ(released(), 1u);
}

TEST_F(SpoolRoomTest, WhatIsNoLongerDeliveredStays) {
  engine_.stored = 800;
  look(20);
  ASSERT_EQ(released(), 10u);
  engine_.released.clear();
  now_ += minutes(1);
  room_.look({{7, {3}}}, now_);
  EXPECT_EQ(released(), 3u) << "a target was set back";
}

TEST_F(SpoolRoomTest, TheOldestHasToGoWhereThePolicySaysSo) {
  SpoolRoom drops({.bytes = 1000, .when_full = WhenFull::kDropOldest}, engine_, log_, metrics_);
  const auto dropped = [&](std::uint64_t bytes) {
    engine_.stored = bytes;
    int times = 0;
    for (std::uint64_t i = 0; i < 4 * SpoolRoom::kLooksPerDrop; ++i) {
      drops.look({}, now_);
      room_.look({}, now_);
      EXPECT_FALSE(room_.must_drop()) << "by default nothing goes";
      if (!drops.must_drop()) continue;
      drops.drops({});
      ++times;
    }
    return times;
  };
  EXPECT_EQ(dropped(940), 0);
  EXPECT_EQ(dropped(950), 4) << "each has its time to have an effect";
  EXPECT_EQ(dropped(949), 0);
}

TEST_F(SpoolRoomTest, NothingElseIsDroppedBeforeTheRoomOfTheLastIsFree) {
  SpoolRoom drops({.bytes = 1000, .when_full = WhenFull::kDropOldest}, engine_, log_, metrics_);
  const auto looks = [&](std::uint64_t times, Delivered delivered) {
    for (std::uint64_t i = 0; i < times; ++i) drops.look(delivered, now_);
    return drops.must_drop();
  };
  engine_.stored = 1000;
  ASSERT_TRUE(looks(SpoolRoom::kLooksPerDrop, {{7, {5}}, {8, {5}}}));
  drops.drops({{7, {20}}, {8, {5}}});
  EXPECT_FALSE(looks(100, {{7, {19}}, {8, {5}}})) << "a request is under way";
  EXPECT_FALSE(looks(SpoolRoom::kLooksPerDrop, {{7, {20}}, {8, {5}}}))
      << "it is released by the first of these";
  for (engine_.stored = 999; engine_.stored > 960; --engine_.stored)
    EXPECT_FALSE(looks(1, {{7, {20}}, {8, {5}}})) << "files go";
  engine_.stored = 961;
  EXPECT_FALSE(looks(SpoolRoom::kLooksPerDrop - 1, {{7, {20}}, {8, {5}}}));
  EXPECT_TRUE(looks(1, {{7, {20}}, {8, {5}}})) << "and weren't enough";
}

TEST_F(SpoolRoomTest, IsFullAtItsLimit) {
  engine_.stored = 999;
  EXPECT_TRUE(room_.takes().ok());
  engine_.stored = 1000;
  EXPECT_EQ(room_.takes().error().message, "the spool is full");
}

TEST_F(SpoolRoomTest, IsFullBeforeItsDiskIs) {
  room_.look({}, now_, SpoolRoom::kDiskLeftMin);
  EXPECT_TRUE(room_.takes().ok());
  room_.look({}, now_, SpoolRoom::kDiskLeftMin - 1);
  EXPECT_EQ(room_.takes().error().code, ErrorCode::kThrottled);
  EXPECT_THAT(room_.takes().error().message, HasSubstr("its disk has no more space"));
  room_.look({}, now_, SpoolRoom::kDiskLeftMin);
  EXPECT_TRUE(room_.takes().ok());
}

TEST_F(SpoolRoomTest, GoesByWhatItIsChangedTo) {
  engine_.stored = 800;
  look(8);
  EXPECT_EQ(released(), 0u) << "all of it is young";
  room_.change(minutes(5), WhenFull::kReject);
  look(1);
  EXPECT_EQ(released(), 4u);
  engine_.stored = 950;
  EXPECT_FALSE(room_.must_drop());
  room_.change(minutes(5), WhenFull::kDropOldest);
  look(SpoolRoom::kLooksPerDrop);
  EXPECT_TRUE(room_.must_drop());
}

}  // namespace
}  // namespace spillway::broker
