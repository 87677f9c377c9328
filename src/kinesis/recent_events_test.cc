#include "kinesis/recent_events.h"

namespace spillway::kinesis {
namespace {

using Place = RecentEvents::Place;

constexpr MonoTime kNow{seconds(100)};
constexpr std::size_t kLarge = 100'000;

RecentEvent event_to(std::uint64_t next, std::size_t data_bytes, std::size_t message_bytes = 10) {
  return {SharedBytes::uninitialized(message_bytes), {next}, {.records = 1, .bytes = data_bytes}};
}

TEST(RecentEvents, GivesWhatWasMadeOfThePlaceAlone) {
  RecentEvents events;
  const Place place{7, {10}, wire::Format::kCbor, 3};
  events.add(place, event_to(20, 500), kNow);
  const auto found = events.find(place, {20}, kNow);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->next.value, 20u);
  EXPECT_EQ(found->amount.bytes, 500u);
  for (const Place& other :
       {Place{8, {10}, wire::Format::kCbor, 3},  //
        Place{7, {11}, wire::Format::kCbor, 3}, Place{7, {10}, wire::Format::kRpcCbor, 3},
        Place{7, {10}, wire::Format::kCbor, 4},
        Place{7, {10}, wire::Format::kCbor, 3, Origins::kTold}})
    EXPECT_FALSE(events.find(other, {20}, kNow));
}

TEST(RecentEvents, ASmallOneIsNotGivenToWhoHasMoreToRead) {
  RecentEvents events;
  events.add({1, {10}}, event_to(20, 500), kNow);
  events.add({2, {10}}, event_to(20, kLarge), kNow);
  EXPECT_FALSE(events.find({1, {10}}, {21}, kNow));
  EXPECT_TRUE(events.find({2, {10}}, {21}, kNow));
  // Who makes a larger one instead leaves it for the next.
  events.add({1, {10}}, event_to(21, 600), kNow + milliseconds(1));
  EXPECT_EQ(events.find({1, {10}}, {21}, kNow)->amount.bytes, 600u);
}

TEST(RecentEvents, AgeAndEndsForgetThem) {
  RecentEvents events;
  events.add({1, {10}}, event_to(20, 500), kNow);
  EXPECT_TRUE(events.find({1, {10}}, {20}, kNow + RecentEvents::kAgeMax));
  EXPECT_FALSE(events.find({1, {10}}, {20}, kNow + RecentEvents::kAgeMax + nanoseconds(1)));
  events.forget_old(kNow + RecentEvents::kAgeMax);
  EXPECT_GT(events.bytes(), 0u);
  // Made anew, it is as young as its making.
  events.add({1, {10}}, event_to(20, 500), kNow + milliseconds(50));
  const std::size_t one = events.bytes();
  events.forget_old(kNow + RecentEvents::kAgeMax + nanoseconds(1));
  EXPECT_EQ(events.bytes(), one);
  events.forget_old(kNow + milliseconds(51) + RecentEvents::kAgeMax);
  EXPECT_EQ(events.bytes(), 0u);
  events.add({1, {10}}, event_to(20, 500), kNow);
  events.clear();
  EXPECT_EQ(events.bytes(), 0u);
  EXPECT_FALSE(events.find({1, {10}}, {20}, kNow));
}

TEST(RecentEvents, WhatIsHeldIsBounded) {
  RecentEvents events;
  constexpr std::size_t kMessage = std::size_t{1} << 20;
  for (std::uint64_t i = 0; i < 100; ++i) {
    events.add({1, {i}}, event_to(i + 1, kLarge, kMessage), kNow);
    EXPECT_LE(events.bytes(), RecentEvents::kBytesMax);
    EXPECT_TRUE(events.find({1, {i}}, {i + 1}, kNow));
  }
  EXPECT_FALSE(events.find({1, {0}}, {1}, kNow));
  EXPECT_GT(events.bytes(), RecentEvents::kBytesMax - 2 * kMessage);
  events.add({1, {1000}}, event_to(1001, kLarge, RecentEvents::kBytesMax + 1), kNow);
  EXPECT_EQ(events.bytes(), 0u);
}

}  // namespace
}  // namespace spillway::kinesis
