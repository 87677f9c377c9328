#include "broker/switching.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace spillway::broker {
namespace {

using testing::HasSubstr;

constexpr std::size_t kA = 0;
constexpr std::size_t kB = 1;
constexpr std::size_t kC = 2;

class SwitchingTest : public testing::Test {
 protected:
  SwitchingTest() {
    for (auto& one : health_) one = closed();
  }
  TargetHealth closed() const { return {BreakerState::kClosed, true, now_, "good for 5 s"}; }
  TargetHealth half_open() const {
    return {BreakerState::kHalfOpen, true, now_, "canaries go well again"};
  }
  TargetHealth slow() const { return {BreakerState::kOpen, true, now_, "slow"}; }
  TargetHealth dead() const { return {BreakerState::kOpen, false, now_, "connection refused"}; }

  std::optional<std::size_t> decide(nanoseconds later = milliseconds(100)) {
    now_ += later;
    changed_ = switching_.decide(health_, now_);
    return switching_.choice().target;
  }
  const std::string& because() const { return switching_.choice().because; }
  Footing footing() const { return switching_.choice().footing; }

  MonoTime now_{std::chrono::hours(5)};
  std::array<TargetHealth, 3> health_;
  SwitchingSettings settings_;
  Switching switching_{{"a", "b", "c"}, settings_};
  bool changed_ = false;
};

TEST_F(SwitchingTest, UsesTheFirstThatIsHealthy) {
  EXPECT_EQ(decide(), kA);
  EXPECT_TRUE(changed_);
  EXPECT_EQ(decide(), kA);
  EXPECT_FALSE(changed_);
}

TEST_F(SwitchingTest, LeavesATargetThatIsOpenAtOnce) {
  decide();
  health_[kA] = dead();
  EXPECT_EQ(decide(), kB);
  EXPECT_TRUE(changed_);
  EXPECT_EQ(because(), "a is open: connection refused; b is healthy");
  health_[kB] = half_open();
  EXPECT_EQ(decide(), kC);
}

TEST_F(SwitchingTest, ReturnsAfterAStableTime) {
  decide();
  health_[kA] = dead();
  decide();
  health_[kA] = closed();
  EXPECT_EQ(decide(seconds(59)), kB);
  EXPECT_EQ(decide(seconds(1)), kA);
  EXPECT_EQ(because(), "a comes before b, and is healthy again: good for 5 s");
}

TEST_F(SwitchingTest, ReturnsWhenTheTargetHasWhatItMissed) {
  decide();
  health_[kA] = dead();
  decide();
  health_[kA] = closed();
  switching_.lag(kA, true);
  EXPECT_EQ(decide(seconds(100)), kB);
  switching_.lag(kA, false);
  EXPECT_EQ(decide(), kA);
  // It is waited for so long, and no longer; and where the one in use fails, not at all.
  switching_.lag(kA, true);
  health_[kA] = dead();
  decide();
  health_[kA] = closed();
  EXPECT_EQ(decide(settings_.return_after + settings_.lag_at_most - seconds(1)), kB);
  EXPECT_EQ(decide(seconds(1)), kA);
  health_[kA] = dead();
  decide();
  health_[kA] = closed();
  health_[kB] = dead();
  EXPECT_EQ(decide(), kA);
}

TEST_F(SwitchingTest, ReturnsByHandWhereItIsSaidSo) {
  settings_.returns = false;
  switching_ = Switching({"a", "b", "c"}, settings_);
  decide();
  health_[kA] = dead();
  decide();
  health_[kA] = closed();
  EXPECT_EQ(decide(std::chrono::hours(10)), kB);
  health_[kB] = dead();
  EXPECT_EQ(decide(), kA) << "that is no return";
  ASSERT_TRUE(switching_.hold(kB, "ops: drill").ok());
  decide();
  ASSERT_TRUE(switching_.hold(kA, "ops: end of drill").ok());
  decide();
  switching_.release();
  EXPECT_EQ(decide(), kA);
}

TEST_F(SwitchingTest, ReturnsFromThenOnWhereItIsSaidLater) {
  settings_.returns = false;
  switching_.set_settings(settings_);
  health_[kA] = dead();
  decide();
  health_[kA] = closed();
  EXPECT_EQ(decide(settings_.return_after * 2), kB);
  settings_.returns = true;
  settings_.return_after = seconds(1);
  switching_.set_settings(settings_);
  EXPECT_EQ(decide(), kA);
}

TEST_F(SwitchingTest, APersonsSwitchHolds) {
  decide();
  ASSERT_TRUE(switching_.hold(kB, "ops: region a impaired").ok());
  EXPECT_EQ(decide(), kB);
  EXPECT_EQ(footing(), Footing::kHeld);
  EXPECT_EQ(because(), "ops: region a impaired");
  health_[kB] = dead();
  EXPECT_EQ(decide(std::chrono::hours(3)), kB) << "however it is";
  switching_.release();
  EXPECT_EQ(decide(), kA);
}

TEST_F(SwitchingTest, WhatIsHeldSurvivesARestart) {
  decide();
  ASSERT_TRUE(switching_.hold(kB, "ops: region a impaired").ok());
  switching_.set_back(kC, "its tip is behind 49590");
  decide();
  switching_ = Switching({"a", "b", "c"}, settings_, switching_.kept());
  EXPECT_EQ(decide(), kB);
  EXPECT_EQ(because(), "ops: region a impaired");
  EXPECT_EQ(switching_.hold(kC, "").error().code, ErrorCode::kDenied);
}

TEST_F(SwitchingTest, AnAutomaticSwitchSurvivesARestart) {
  health_[kA] = dead();
  decide();
  switching_ = Switching({"a", "b", "c"}, settings_, switching_.kept());
  health_[kA] = closed();
  EXPECT_EQ(decide(), kB) << "a has not been healthy for long";
  EXPECT_EQ(decide(seconds(60)), kA);
}

TEST_F(SwitchingTest, WhatWasSetBackIsNotUsedUntilItIsAccepted) {
  decide();
  switching_.set_back(kA, "its tip is behind 49590");
  EXPECT_EQ(decide(), kB);
  EXPECT_EQ(because(), "a was set back: its tip is behind 49590; b is healthy");
  health_[kB] = health_[kC] = dead();
  EXPECT_EQ(decide(seconds(100)), std::nullopt);
  const auto refused = switching_.hold(kA, "ops");
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("accept it"));
  switching_.accept(kA);
  EXPECT_EQ(decide(), kA);
}

TEST_F(SwitchingTest, AHeldTargetThatIsSetBackIsNotUsedEither) {
  ASSERT_TRUE(switching_.hold(kB, "ops").ok());
  decide();
  switching_.set_back(kB, "its tip is behind 49590");
  EXPECT_EQ(decide(), std::nullopt) << "a is healthy, but a person chose b";
  EXPECT_EQ(footing(), Footing::kHeld);
  EXPECT_THAT(because(), HasSubstr("accept it, or release the switch"));
  switching_.release();
  EXPECT_EQ(decide(), kA);
}

TEST_F(SwitchingTest, OnlyPermittedTargetsAreSwitchedToByItself) {
  decide();
  switching_.permit(kA, false);
  switching_.permit(kB, false);
  health_[kA] = dead();
  EXPECT_EQ(decide(), kC);
  switching_.permit(kC, false);
  EXPECT_EQ(decide(), kC) << "the permit that was used has ended";
  health_[kA] = closed();
  EXPECT_EQ(decide(seconds(60)), kA) << "back to the first needs none";
  health_[kA] = dead();
  EXPECT_EQ(decide(), std::nullopt);
  EXPECT_THAT(because(), HasSubstr("b is healthy, but no switch to it is permitted"));
  ASSERT_TRUE(switching_.hold(kB, "ops, with a grant").ok());
  EXPECT_EQ(decide(), kB);
}

TEST_F(SwitchingTest, WhereNothingIsHealthyRecordsStayInTheSpool) {
  decide();
  for (auto& one : health_) one = dead();
  EXPECT_EQ(decide(), std::nullopt);
  EXPECT_EQ(footing(), Footing::kNone);
  EXPECT_EQ(because(),
            "no target can be used, records are kept in the spool; a is open: connection refused; "
            "b is open: connection refused; c is open: connection refused");
  health_[kC] = closed();
  EXPECT_EQ(decide(), kC);
}

TEST_F(SwitchingTest, TheTargetInUseIsTheLastResort) {
  decide();
  health_[kA] = slow();
  health_[kB] = health_[kC] = half_open();
  EXPECT_EQ(decide(), kA);
  EXPECT_EQ(footing(), Footing::kLastResort);
  EXPECT_EQ(because(), "no other target can be used, and a still stores records: a is open: slow");
  EXPECT_EQ(decide(std::chrono::hours(1)), kA);
  EXPECT_FALSE(changed_);
  health_[kA] = closed();
  EXPECT_EQ(decide(), kA);
  EXPECT_EQ(footing(), Footing::kHealthy);
}

TEST_F(SwitchingTest, ALastResortIsLeftOnlyAfterATime) {
  decide();
  health_[kA] = dead();
  health_[kB] = dead();
  health_[kC] = slow();
  EXPECT_EQ(decide(), std::nullopt);
  EXPECT_EQ(decide(seconds(5)), std::nullopt);
  health_[kA] = slow();
  EXPECT_EQ(decide(), kA);
  health_[kA] = dead();
  EXPECT_EQ(decide(), std::nullopt);
  EXPECT_EQ(decide(milliseconds(9'900)), std::nullopt) << "counted anew";
  EXPECT_EQ(decide(), kC);
  EXPECT_EQ(footing(), Footing::kLastResort);
  health_[kA] = slow();
  health_[kC] = dead();
  EXPECT_EQ(decide(), std::nullopt) << "c has a time of its own";
  health_[kC] = slow();
  EXPECT_EQ(decide(), kC);
}

}  // namespace
}  // namespace spillway::broker
