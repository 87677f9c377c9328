#include "broker/switch_approval.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/rfc3339.h"
#include "log/crash_disk.h"

namespace spillway::broker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const WallTime kNow = *parse_rfc3339("2020-11-25T14:00:00Z");
constexpr std::chrono::hours kHour{1};

Ed25519Seed seed_of(unsigned char byte) {
  Ed25519Seed seed;
  seed.fill(byte);
  return seed;
}

class SwitchApprovalTest : public testing::Test {
 protected:
  SwitchApprovalTest() { start(); }
  // As a process that starts.
  void start() {
    approval_ = std::make_unique<SwitchApproval>(
        SwitchApproval::Options{
            {{"alice", ed25519_public(seed_of(1))}}, "data", "broker:edge", {"telemetry"}},
        disk_);
  }
  void give(int number, std::chrono::hours life, unsigned char approver = 1) {
    Grant grant;
    grant.id = fmt::format("{:032x}", number);
    grant.stream = "tele*";
    grant.target = "b";
    grant.holder = "broker:edge";
    grant.not_before = kNow;
    grant.not_after = kNow + life;
    grant.reason = "freeze";
    EXPECT_TRUE(approval_->keep(*sign_grant(grant, seed_of(approver))).ok());
  }

  log::CrashDisk disk_;
  std::unique_ptr<SwitchApproval> approval_;
};

TEST_F(SwitchApprovalTest, AnApproverHasANameAndAKey) {
  const auto key = to_string(ed25519_public(seed_of(1)));
  EXPECT_EQ(parse_approver("alice=" + key)->name, "alice");
  EXPECT_EQ(parse_approver("alice=" + key)->key, ed25519_public(seed_of(1)));
  for (const auto& text : {key, "=" + key, std::string("alice=ed25519:x"), std::string()})
    EXPECT_EQ(parse_approver(text).error().code, ErrorCode::kInvalid) << text;
}

TEST_F(SwitchApprovalTest, AGrantIsNewsUntilItIsTold) {
  give(1, kHour);
  give(2, kHour, 9);  // a stranger's
  for (int times = 0; times < 2; ++times) {
    const auto news = approval_->look(kNow);
    ASSERT_EQ(news.events.size(), 1u);
    EXPECT_EQ(news.events[0].action, SwitchAction::kGrant);
    EXPECT_THAT(news.events[0].reason, HasSubstr("alice gives broker:edge leave for any number"));
    start();
  }
  EXPECT_EQ(approval_->look(kNow).events.size(), 1u);
  EXPECT_TRUE(approval_->told().ok());
  EXPECT_TRUE(approval_->look(kNow).events.empty());
  start();
  EXPECT_TRUE(approval_->look(kNow).events.empty());
}

TEST_F(SwitchApprovalTest, WhatIsWrongIsToldOnce) {
  disk_.put("data/grants/1.grant", "x");
  EXPECT_THAT(approval_->look(kNow).faults, ElementsAre(HasSubstr("data/grants/1.grant")));
  EXPECT_TRUE(approval_->look(kNow).faults.empty());
  ASSERT_TRUE(disk_.remove("data/grants/1.grant").ok());
  EXPECT_TRUE(approval_->look(kNow).faults.empty());
  disk_.put("data/grants/1.grant", "x");
  EXPECT_EQ(approval_->look(kNow).faults.size(), 1u);
}

TEST_F(SwitchApprovalTest, CoverEndsWithItsGrantsAndWithARevocation) {
  EXPECT_EQ(approval_->covered_until("b", kNow), std::nullopt);
  give(1, kHour);
  static_cast<void>(approval_->look(kNow));
  EXPECT_TRUE(approval_->permits("b", kNow));
  EXPECT_FALSE(approval_->permits("c", kNow));
  EXPECT_EQ(approval_->covered_until("b", kNow), kNow + kHour);
  EXPECT_FALSE(approval_->permits("b", kNow + kHour));
  EXPECT_EQ(approval_->covered_until("b", kNow + kHour), std::nullopt);
  const Revocation over{fmt::format("{:032x}", 1), {}, kNow, "over"};
  EXPECT_TRUE(approval_->keep(*sign_revocation(over, seed_of(1))).ok());
  const auto news = approval_->look(kNow);
  EXPECT_THAT(news.events.at(0).reason, HasSubstr("alice takes it back: over"));
  EXPECT_FALSE(approval_->permits("b", kNow));
}

TEST_F(SwitchApprovalTest, WithoutItsLedgerNoneIsGoodAndItIsTriedAgain) {
  give(1, kHour);
  disk_.put("data/grant-ledger", "spillway grant ledger 1\nlatest soon\n");
  start();
  EXPECT_THAT(approval_->look(kNow).faults, ElementsAre(HasSubstr("no grant is good until")));
  EXPECT_FALSE(approval_->permits("b", kNow) || approval_->decide("b", kNow).allowed);
  ASSERT_TRUE(disk_.remove("data/grant-ledger").ok());
  static_cast<void>(approval_->look(kNow));
  EXPECT_TRUE(approval_->permits("b", kNow) && approval_->decide("b", kNow).allowed);
}

}  // namespace
}  // namespace spillway::broker
