#include "broker/grant_ledger.h"

#include "base/rfc3339.h"
#include "log/crash_disk.h"

namespace spillway::broker {
namespace {

const WallTime kNow = *parse_rfc3339("2020-11-25T14:00:00Z");
const std::string kBroker = "broker:edge-1";

Ed25519Seed seed_of(unsigned char byte) {
  Ed25519Seed seed;
  seed.fill(byte);
  return seed;
}

std::string id_of(int number) { return fmt::format("{:032x}", number); }

class GrantLedgerTest : public testing::Test {
 protected:
  static Grant grant(int number, std::chrono::hours from, std::chrono::hours to,
                     bool once = false) {
    Grant made;
    made.id = id_of(number);
    made.stream = "telemetry";
    made.target = "*";
    made.holder = kBroker;
    made.not_before = kNow + from;
    made.not_after = kNow + to;
    made.once = once;
    made.reason = "r";
    return parse_grant(sign_grant(made, seed_of(1)).value()).value();
  }
  static Revocation revocation(int number, unsigned char approver) {
    const Revocation made{id_of(number), {}, kNow, "left the company"};
    return parse_revocation(sign_revocation(made, seed_of(approver)).value()).value();
  }
  // As a process that starts.
  GrantLedger start() {
    GrantLedger ledger(disk_, "ledger");
    EXPECT_TRUE(ledger.load().ok());
    return ledger;
  }
  Decision decide(GrantLedger& ledger, const std::vector<Grant>& grants, WallTime clock = kNow) {
    return ledger.decide(grants, approvers_, clock, {{"telemetry"}, "b", kBroker});
  }

  const std::chrono::hours hour_{1};
  const std::vector<Ed25519Public> approvers_{ed25519_public(seed_of(1)),
                                              ed25519_public(seed_of(2))};
  log::CrashDisk disk_;
};

TEST_F(GrantLedgerTest, AGrantIsGoodAsOftenAsNeeded) {
  auto ledger = start();
  const std::vector grants{grant(1, -hour_, hour_)};
  for (int i = 0; i < 3; ++i) {
    const auto decision = decide(ledger, grants);
    EXPECT_TRUE(decision.allowed && decision.fault.empty());
    EXPECT_EQ(decision.grant, id_of(1));
  }
  EXPECT_TRUE(ledger.memory().used.empty());
}

TEST_F(GrantLedgerTest, OneForOneSwitchIsNotGoodAgainAfterARestart) {
  const std::vector grants{grant(1, -hour_, hour_, true)};
  {
    auto ledger = start();
    EXPECT_TRUE(decide(ledger, grants).allowed);
    EXPECT_FALSE(decide(ledger, grants).allowed);
  }
  auto ledger = start();
  const auto decision = decide(ledger, grants);
  EXPECT_FALSE(decision.allowed);
  EXPECT_THAT(decision.why, testing::HasSubstr("for one switch, which was made"));
}

TEST_F(GrantLedgerTest, OneForOneSwitchIsSparedWhereAnotherOneAllowsIt) {
  auto ledger = start();
  EXPECT_EQ(decide(ledger, {grant(1, -hour_, hour_, true), grant(2, -hour_, hour_)}).grant,
            id_of(2));
  EXPECT_TRUE(ledger.memory().used.empty());
}

// Power is cut at each call in turn.
TEST_F(GrantLedgerTest, AnAllowedUseIsDurable) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Random random(seed);
    log::CrashDisk disk;
    int allowed = 0;
    for (int life = 0; life < 4; ++life) {
      GrantLedger ledger(disk, "ledger");
      ASSERT_TRUE(ledger.load().ok());
      disk.fail_after(random.below(8));
      allowed += ledger
                     .decide(std::vector{grant(1, -hour_, hour_, true)}, approvers_, kNow,
                             {{"telemetry"}, "b", kBroker})
                     .allowed;
      disk.cut_power(random);
    }
    EXPECT_LE(allowed, 1) << seed;
  }
}

TEST_F(GrantLedgerTest, WhatHasExpiredStaysSoWhenTheClockIsSetBack) {
  const std::vector grants{grant(1, -hour_, hour_)};
  {
    auto ledger = start();
    EXPECT_TRUE(decide(ledger, grants).allowed);
    EXPECT_FALSE(decide(ledger, grants, kNow + hour_).allowed);
    EXPECT_FALSE(decide(ledger, grants, kNow).allowed);
  }
  auto ledger = start();
  EXPECT_FALSE(decide(ledger, grants, kNow).allowed);
  EXPECT_EQ(ledger.now(kNow), kNow + hour_);
}

TEST_F(GrantLedgerTest, TimeIsRememberedOnceAMinute) {
  auto ledger = start();
  EXPECT_TRUE(ledger.observe(kNow).ok());
  const auto changes = disk_.changes();
  for (int second = 1; second < 60; ++second)
    EXPECT_TRUE(ledger.observe(kNow + seconds(second)).ok());
  EXPECT_EQ(disk_.changes(), changes);
  EXPECT_TRUE(ledger.observe(kNow + seconds(60)).ok());
  EXPECT_EQ(start().memory().latest, kNow + seconds(60));
}

TEST_F(GrantLedgerTest, AnyListedApproverRevokesAndItIsRemembered) {
  const std::vector grants{grant(1, -hour_, hour_)};
  {
    auto ledger = start();
    const auto stranger = ledger.revoke(revocation(1, 3), approvers_, kNow);
    ASSERT_FALSE(stranger.ok());
    EXPECT_EQ(stranger.error().code, ErrorCode::kDenied);
    EXPECT_TRUE(decide(ledger, grants).allowed);
    EXPECT_TRUE(ledger.revoke(revocation(1, 2), approvers_, kNow).ok());
    EXPECT_FALSE(decide(ledger, grants).allowed);
  }
  auto ledger = start();
  EXPECT_THAT(decide(ledger, grants).why, testing::HasSubstr("it was revoked"));
}

TEST_F(GrantLedgerTest, ARevocationThatCannotBeStoredCountsAndIsTriedAgain) {
  auto ledger = start();
  disk_.fail_after(0);
  EXPECT_FALSE(ledger.revoke(revocation(1, 1), approvers_, kNow).ok());
  EXPECT_FALSE(decide(ledger, {grant(1, -hour_, hour_)}).allowed);
  EXPECT_FALSE(ledger.revoke(revocation(1, 1), approvers_, kNow).ok());
  disk_.never_fail();
  EXPECT_TRUE(ledger.revoke(revocation(1, 1), approvers_, kNow).ok());
  EXPECT_THAT(start().memory().revoked, testing::ElementsAre(id_of(1)));
}

TEST_F(GrantLedgerTest, AFailingDiskRefusesOnlyWhatWouldBeGoodTwice) {
  auto ledger = start();
  disk_.fail_after(0);
  const auto once = decide(ledger, {grant(1, -hour_, hour_, true)});
  EXPECT_FALSE(once.allowed);
  EXPECT_FALSE(once.fault.empty());
  const auto often = decide(ledger, {grant(2, -hour_, hour_)});
  EXPECT_TRUE(often.allowed);
  EXPECT_FALSE(often.fault.empty());
}

TEST_F(GrantLedgerTest, TellsOfTheGrantThatCameNearest) {
  auto ledger = start();
  EXPECT_THAT(decide(ledger, {}).why, testing::HasSubstr("there is no grant"));
  const auto other = grant(1, -2 * hour_, -hour_);
  auto stranger = grant(2, -hour_, hour_);
  stranger.approver = {};
  EXPECT_THAT(decide(ledger, {stranger, other}).why, testing::HasSubstr("it ended at"));
}

TEST_F(GrantLedgerTest, WithoutAReadableLedgerNoGrantIsGood) {
  disk_.put("ledger", "spillway grant ledger 1\nlatest soon\n");
  GrantLedger ledger(disk_, "ledger");
  const auto loaded = ledger.load();
  ASSERT_FALSE(loaded.ok());
  EXPECT_THAT(loaded.error().message, testing::HasSubstr("ledger: line 2 is not \"latest TIME\""));
  EXPECT_FALSE(decide(ledger, {grant(1, -hour_, hour_)}).allowed);
  EXPECT_EQ(disk_.content("ledger"), "spillway grant ledger 1\nlatest soon\n");
}

TEST_F(GrantLedgerTest, WhatIsRevokedWhileItCannotBeReadStaysRevoked) {
  disk_.put("ledger", "spillway grant ledger 1\nlatest soon\n");
  GrantLedger ledger(disk_, "ledger");
  ASSERT_FALSE(ledger.load().ok());
  EXPECT_EQ(ledger.revoke(revocation(1, 1), approvers_, kNow + hour_).error().code,
            ErrorCode::kClosed);
  disk_.put("ledger", encode({kNow, {id_of(3)}, {id_of(2)}, {}}));
  disk_.fail_after(0);
  EXPECT_FALSE(ledger.load().ok()) << "that it isn't stored is told";
  EXPECT_THAT(decide(ledger, {grant(1, -hour_, 2 * hour_)}).why, testing::HasSubstr("revoked"));
  disk_.never_fail();
  EXPECT_TRUE(ledger.load().ok());
  const GrantMemory expected{kNow + hour_, {id_of(3)}, {id_of(1), id_of(2)}, {}};
  EXPECT_EQ(ledger.memory(), expected);
  EXPECT_EQ(start().memory(), expected);
}

TEST_F(GrantLedgerTest, KnowsOverARestartWhichGrantsAreAtHand) {
  auto ledger = start();
  EXPECT_TRUE(ledger.know({id_of(1), id_of(2)}).ok());
  const auto changes = disk_.changes();
  EXPECT_TRUE(ledger.know({id_of(1), id_of(2)}).ok());
  EXPECT_EQ(disk_.changes(), changes);
  EXPECT_TRUE(ledger.know({id_of(2)}).ok());
  EXPECT_THAT(start().memory().known, testing::ElementsAre(id_of(2)));
}

TEST(GrantMemory, ReadsWhatItWrites) {
  const GrantMemory memory{kNow, {id_of(7)}, {id_of(5), id_of(6)}, {id_of(8)}};
  const std::string text = encode(memory);
  EXPECT_EQ(text, fmt::format("spillway grant ledger 2\nlatest 2020-11-25T14:00:00.000Z\n"
                              "known {}\nrevoked {}\nrevoked {}\nused {}\n",
                              id_of(8), id_of(5), id_of(6), id_of(7)));
  EXPECT_EQ(*decode_grant_memory(text), memory);
  for (std::size_t size = 0; size < text.size(); ++size) {
    const auto cut = decode_grant_memory(text.substr(0, size));
    EXPECT_TRUE(!cut.ok() || text[size - 1] == '\n') << size;
  }
  EXPECT_EQ(decode_grant_memory("spillway grant ledger 3\n").error().code, ErrorCode::kUnsupported);
  std::string old = text;
  old[old.find('\n') - 1] = '1';
  EXPECT_EQ(*decode_grant_memory(old), memory);
  EXPECT_EQ(decode_grant_memory(text + "used 1\n").error().message,
            "line 7 is none of \"known ID\", \"revoked ID\" and \"used ID\"");
}

}  // namespace
}  // namespace spillway::broker
