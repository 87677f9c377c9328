#include "broker/switches.h"

#include <gmock/gmock.h>

#include "broker/spool_samples.h"
#include "broker/switch_log_files.h"
#include "log/crash_disk.h"

namespace spillway::broker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class SwitchesTest : public testing::Test {
 protected:
  explicit SwitchesTest(bool guarded = false) : guarded_(guarded) { begin(); }
  ~SwitchesTest() override { end(); }

  // `left`: the target that was in use, where it is none of these.
  void begin(std::vector<FakeTarget*> configured = {}, const std::string& left = "") {
    if (configured.empty()) configured = {&a_, &b_};
    std::vector<std::string> names;
    std::vector<Target*> targets;
    for (auto* target : configured) {
      names.push_back(target->name());
      targets.push_back(target);
    }
    state_ = std::make_unique<SwitchState>(disk_, "state");
    EXPECT_TRUE(state_->load().ok());
    log_ = std::make_unique<SwitchLog>(SwitchLogOptions{"log", "aside"}, disk_);
    EXPECT_EQ(log_->open(loop_.wall_now()).fault, "");
    RouteSettings settings;
    settings.canary_stream = FakeTarget::kCanaryStream;
    route_ = std::make_unique<Route>(Route::Parts{loop_, silent_, metrics_}, targets, settings,
                                     kept_of(state_->of(std::string(kAllStreams), names), names));
    if (guarded_) {
      approval_ = std::make_unique<SwitchApproval>(
          SwitchApproval::Options{
              {{"alice", ed25519_public(kApprover)}}, "data", "broker:edge", streams_},
          disk_);
    }
    switches_ = std::make_unique<Switches>(Switches::Parts{loop_, *route_, *state_, *log_, silent_,
                                                           metrics_, streams_, approval_.get()},
                                           "edge");
    switches_->look();
    if (!left.empty()) switches_->left(left);
    route_->start([] {});
    loop_.run();
  }
  void end() {
    route_->close();
    loop_.run();
    route_.reset();
  }
  void restart() {
    end();
    a_.closed = b_.closed = false;
    begin();
  }
  Result<Switches::Done> make(const std::string& target, const std::string& reason = "drill") {
    return switches_->make(wish(target, reason));
  }
  static Switches::Wish wish(const std::string& target, const std::string& reason = "drill") {
    Switches::Wish wish;
    wish.target = target;
    wish.reason = reason;
    wish.who = "carol";
    wish.request_id = "r-1";
    return wish;
  }
  std::string used() const {
    const auto target = route_->choice().target;
    return target ? route_->link(*target).target().name() : "";
  }
  // "ACTION FROM>TO WHO REASON" of each line of the log.
  std::vector<std::string> lines() {
    std::vector<std::string> lines;
    std::string rest = disk_.content("log/00000000000000000001.log");
    for (std::size_t end = 0; (end = rest.find('\n')) != std::string::npos;
         rest.erase(0, end + 1)) {
      const auto event = parse_switch_line(rest.substr(0, end))->event;
      lines.push_back(fmt::format("{} {}>{} {} {}", to_string(event.action), event.from, event.to,
                                  event.who, event.reason));
    }
    return lines;
  }

  static inline const Ed25519Seed kApprover = [] {
    Ed25519Seed seed;
    seed.fill(1);
    return seed;
  }();

  const bool guarded_;
  const std::vector<std::string> streams_ = {"telemetry", "orders"};
  io::ManualLoop loop_;
  io::SilentLog silent_;
  metrics::Registry metrics_;
  log::CrashDisk disk_;
  FakeTarget a_{loop_, "a"};
  FakeTarget b_{loop_, "b"};
  std::unique_ptr<SwitchState> state_;
  std::unique_ptr<SwitchLog> log_;
  std::unique_ptr<Route> route_;
  std::unique_ptr<SwitchApproval> approval_;
  std::unique_ptr<Switches> switches_;
};

TEST_F(SwitchesTest, APersonsSwitchHoldsOverRestartsUntilItIsReleased) {
  EXPECT_EQ(used(), "a");
  const auto made = make("b");
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->target, "b");
  EXPECT_TRUE(made->held && made->changed);
  EXPECT_EQ(made->fault, "");
  EXPECT_EQ(used(), "b");
  b_.down = true;
  loop_.run(seconds(60));
  EXPECT_EQ(used(), "b") << "however it is";
  restart();
  EXPECT_EQ(used(), "b");
  loop_.run(seconds(10));
  EXPECT_EQ(used(), "b");
  const auto released = make("");
  ASSERT_TRUE(released.ok());
  EXPECT_TRUE(released->changed && !released->held);
  EXPECT_EQ(used(), "a");
  EXPECT_THAT(lines(), ElementsAre("switch a>b carol drill", "release b>b carol drill",
                                   HasSubstr("return b>a carol b is open: ")));
}

TEST_F(SwitchesTest, WhatIsInUseStaysThatWhereTargetsAreConfiguredInAnotherOrder) {
  EXPECT_EQ(used(), "a") << "as nothing was ever stored";
  switches_->store_used();
  end();
  a_.closed = b_.closed = false;
  begin({&b_, &a_});
  EXPECT_EQ(used(), "a");
  loop_.run(seconds(70));
  EXPECT_EQ(used(), "b") << "as any target that comes first is returned to";
  EXPECT_THAT(lines(), ElementsAre(HasSubstr("return a>b broker:edge ")));
}

TEST_F(SwitchesTest, ATargetInUseThatIsNoLongerConfiguredIsSwitchedFrom) {
  a_.down = true;
  loop_.run(seconds(5));
  EXPECT_EQ(used(), "b");
  switches_->store_used();
  end();
  a_.closed = b_.closed = a_.down = false;
  begin({&a_}, "b");
  EXPECT_EQ(used(), "a");
  EXPECT_THAT(lines(), ElementsAre(HasSubstr("switch a>b broker:edge "),
                                   "switch b>a broker:edge the target b is no longer configured"));
  EXPECT_EQ(state_->target_of("*"), "a");
}

TEST_F(SwitchesTest, OneThatHoldsIsReleasedWhereItsTargetIsTheOnlyOneLeft) {
  ASSERT_TRUE(make("b")->held);
  end();
  a_.closed = b_.closed = false;
  begin({&b_});
  EXPECT_EQ(used(), "b");
  EXPECT_THAT(switches_->status_json(), HasSubstr("\"held\":true"));
  EXPECT_EQ(make("b").error().code, ErrorCode::kUnsupported);
  for (const bool first : {true, false}) {
    const auto released = make("", "there is no other");
    ASSERT_TRUE(released.ok()) << released.error().message;
    EXPECT_EQ(released->changed, first);
    EXPECT_FALSE(released->held);
    EXPECT_EQ(released->target, "b");
    EXPECT_EQ(released->receipt, 0u);
  }
  EXPECT_THAT(lines(),
              ElementsAre("switch a>b carol drill", "release b>b carol there is no other"));
  EXPECT_THAT(switches_->status_json(), HasSubstr("\"held\":false"));
  end();
  b_.closed = false;
  begin();
  EXPECT_EQ(used(), "b") << "it is in use, and health decides again";
  loop_.run(seconds(70));
  EXPECT_EQ(used(), "a");
}

TEST_F(SwitchesTest, EachToAnotherTargetHasAReceipt) {
  std::vector<std::string> seen;
  switches_->on_switch([&](const SwitchEvent& event) {
    seen.push_back(
        fmt::format("{} {}>{} while {}", to_string(event.action), event.from, event.to, used()));
    return seen.size();
  });
  EXPECT_EQ(make("a")->receipt, 0u) << "it goes nowhere";
  EXPECT_EQ(make("b")->receipt, 1u);
  EXPECT_EQ(make("b")->receipt, 0u);
  loop_.run(seconds(1));
  EXPECT_EQ(make("")->receipt, 0u);
  b_.down = true;
  loop_.run(seconds(5));
  EXPECT_THAT(seen, ElementsAre("switch a>b while a", "return b>a while b"))
      << "before it takes effect";
}

TEST_F(SwitchesTest, AskingAgainChangesNothing) {
  for (const bool first : {true, false}) {
    const auto made = make("b");
    ASSERT_TRUE(made.ok());
    EXPECT_EQ(made->target, "b");
    EXPECT_TRUE(made->held);
    EXPECT_EQ(made->changed, first);
  }
  for (const bool first : {true, false}) {
    const auto made = make("");
    ASSERT_TRUE(made.ok());
    EXPECT_FALSE(made->held);
    EXPECT_EQ(made->changed, first);
  }
  EXPECT_EQ(lines().size(), 2u);
}

TEST_F(SwitchesTest, TheLogHasSoManyRefusalsAMinute) {
  for (std::uint64_t i = 0; i < Switches::kRefusalsMax + 5; ++i)
    EXPECT_EQ(make("nowhere").error().code, ErrorCode::kNotFound);
  ASSERT_EQ(lines().size(), Switches::kRefusalsMax);
  EXPECT_TRUE(make("b").ok());
  EXPECT_EQ(lines().back(), "switch a>b carol drill") << "switches are always there";
  loop_.run(Switches::kRefusalsWithin);
  (void)make("nowhere");
  EXPECT_THAT(lines().back(), HasSubstr("the log lacks 5 refusals before this one"));
  (void)make("nowhere");
  EXPECT_THAT(lines().back(), testing::Not(HasSubstr("lacks")));
}

TEST_F(SwitchesTest, OneThatIsHeldWhereItIsGoesNowhere) {
  ASSERT_TRUE(make("a")->changed);
  a_.down = true;
  loop_.run(seconds(30));
  EXPECT_EQ(used(), "a");
  EXPECT_THAT(lines(), ElementsAre("switch a>a carol drill"));
}

TEST_F(SwitchesTest, WhatTheRouteDoesByItselfIsLoggedAndKept) {
  loop_.run(seconds(1));
  a_.down = true;
  loop_.run(seconds(5));
  EXPECT_EQ(used(), "b");
  restart();
  EXPECT_EQ(used(), "b");
  a_.down = false;
  loop_.run(seconds(90));
  EXPECT_EQ(used(), "a");
  EXPECT_THAT(lines(), ElementsAre(HasSubstr("switch a>b broker:edge a is open: "),
                                   HasSubstr("return b>a broker:edge a comes before b")));
}

// Of a broker whose switches need grants: alice approves, and carol may switch with hers.
class GuardedSwitchesTest : public SwitchesTest {
 protected:
  GuardedSwitchesTest() : SwitchesTest(true) {}

  static std::string id_of(int number) { return fmt::format("{:032x}", number); }
  std::string grant_text(int number, const std::string& holder, seconds life = seconds(3600),
                         bool once = false, const std::string& stream = "*") {
    Grant grant;
    grant.id = id_of(number);
    grant.stream = stream;
    grant.target = "b";
    grant.holder = holder;
    grant.not_before = WallTime{};
    grant.not_after = WallTime{} + life;
    grant.once = once;
    grant.reason = "freeze";
    return *sign_grant(grant, kApprover);
  }
  void give(const std::string& text) {
    EXPECT_TRUE(store_grant_file(disk_, "data/grants", text).ok());
    switches_->look();
  }
  void revoke(int number) {
    give(*sign_revocation({id_of(number), {}, WallTime{}, "left"}, kApprover));
  }
  Result<Switches::Done> make_as_carol(const std::string& target, const std::string& grant = "") {
    auto asked = wish(target);
    asked.who = kCarol;
    asked.proven = true;
    asked.grant = grant;
    return switches_->make(asked);
  }
  // As the assembly lets time go by.
  void wait(int for_seconds) {
    for (int second = 0; second < for_seconds; ++second) {
      loop_.run(seconds(1));
      switches_->look();
    }
  }

  static inline const std::string kCarol = "ed25519:" + std::string(43, 'A');
  static inline const std::string kBroker = "broker:edge";
};

TEST_F(GuardedSwitchesTest, APersonsSwitchNeedsAGrantOfTheirs) {
  const auto unproven = make("b");
  EXPECT_EQ(unproven.error().code, ErrorCode::kDenied);
  EXPECT_THAT(unproven.error().message, HasSubstr("--key FILE"));
  const auto without = make_as_carol("b");
  EXPECT_THAT(without.error().message,
              testing::AllOf(HasSubstr("there is no grant"), HasSubstr("telemetry, orders"),
                             HasSubstr("--target b --holder " + kCarol)));
  give(grant_text(1, kBroker));
  EXPECT_THAT(make_as_carol("b").error().message, HasSubstr("it is for broker:edge, not for ed"));
  EXPECT_EQ(used(), "a");
  give(grant_text(2, kCarol));
  EXPECT_TRUE(make_as_carol("b").ok());
  EXPECT_EQ(used(), "b");
  const auto all = lines();
  ASSERT_EQ(all.size(), 6u);
  EXPECT_THAT(all[0], HasSubstr("refuse a>b carol a switch to b needs a grant"));
  EXPECT_THAT(all[2], HasSubstr("grant >b ed25519:"));
  EXPECT_THAT(all[2], HasSubstr("alice gives broker:edge leave for any number of switches"));
  EXPECT_EQ(all[5], "switch a>b " + kCarol + " drill");
  EXPECT_THAT(disk_.content("log/00000000000000000001.log"),
              HasSubstr("\"drill\",\"grant\":\"" + id_of(2)));
}

TEST_F(GuardedSwitchesTest, AGrantForSomeOfTheStreamsIsNone) {
  give(grant_text(1, kCarol, seconds(3600), false, "telemetry"));
  EXPECT_THAT(make_as_carol("b").error().message,
              HasSubstr("it is for the stream telemetry, not for orders"));
  switches_->set_streams({"telemetry"});
  EXPECT_TRUE(make_as_carol("b").ok());
  switches_->set_streams({"telemetry", "new"});
  EXPECT_TRUE(make_as_carol("a").ok());
  EXPECT_THAT(make_as_carol("b").error().message, HasSubstr("not for new"));
}

TEST_F(GuardedSwitchesTest, AGrantIsForWhatIsSpooledStillToo) {
  give(grant_text(1, kCarol, seconds(3600), false, "telemetry"));
  switches_->set_streams({"telemetry"});
  switches_->set_held({"orders", "telemetry"});
  EXPECT_THAT(switches_->streams(), ElementsAre("telemetry", "orders"));
  EXPECT_THAT(make_as_carol("b").error().message, HasSubstr("not for orders"));
  switches_->set_held({"telemetry"});
  EXPECT_TRUE(make_as_carol("b").ok()) << "it is delivered";
  EXPECT_THAT(switches_->streams(), ElementsAre("telemetry"));
}

TEST_F(GuardedSwitchesTest, OneForOneSwitchIsGoodForItAndForAskingAgain) {
  const auto once = grant_text(1, kCarol, seconds(3600), true);
  EXPECT_TRUE(make_as_carol("b", once)->changed);
  EXPECT_FALSE(make_as_carol("b", once)->changed);
  EXPECT_TRUE(make_as_carol("a").ok()) << "back to the first";
  restart();
  EXPECT_THAT(make_as_carol("b", once).error().message,
              HasSubstr("for one switch, which was made"));
  EXPECT_THAT(make_as_carol("b").error().message, HasSubstr("which was made")) << "it was kept";
}

TEST_F(GuardedSwitchesTest, RevokedExpiredAndForgedOnesAreNone) {
  give(grant_text(1, kCarol));
  revoke(1);
  EXPECT_THAT(make_as_carol("b").error().message, HasSubstr("it was revoked"));
  restart();
  EXPECT_THAT(make_as_carol("b").error().message, HasSubstr("it was revoked"));
  const auto brief = grant_text(2, kCarol, seconds(30));
  wait(31);
  EXPECT_THAT(make_as_carol("b", brief).error().message, HasSubstr("it ended at 1970"));
  give(grant_text(4, kBroker));
  EXPECT_THAT(make_as_carol("b", brief).error().message, HasSubstr(id_of(2))) << "what was handed";
  auto changed = grant_text(3, kCarol);
  changed[changed.size() - 5] = changed[changed.size() - 5] == 'A' ? 'B' : 'A';
  EXPECT_EQ(make_as_carol("b", changed).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(used(), "a");
}

TEST_F(GuardedSwitchesTest, TheRouteGoesNowhereByItselfWithoutAGrant) {
  wait(1);
  a_.down = true;
  wait(30);
  EXPECT_EQ(used(), "");
  ASSERT_EQ(lines().size(), 1u) << "told once";
  EXPECT_THAT(lines()[0],
              testing::AllOf(HasSubstr("refuse a>b broker:edge no switch to b by itself"),
                             HasSubstr("--holder broker:edge")));
  give(grant_text(1, kBroker));
  wait(2);
  EXPECT_EQ(used(), "b");
  EXPECT_THAT(lines().back(), HasSubstr("switch a>b broker:edge "));
  revoke(1);
  wait(5);
  EXPECT_EQ(used(), "b") << "it was leave to go, not to stay";
  a_.down = false;
  wait(90);
  EXPECT_EQ(used(), "a");
  a_.down = true;
  wait(30);
  EXPECT_EQ(used(), "");
}

TEST_F(GuardedSwitchesTest, TheRouteUsesAGrantForOneSwitchOnce) {
  give(grant_text(1, kBroker, seconds(3600), true));
  a_.down = true;
  wait(5);
  EXPECT_EQ(used(), "b");
  a_.down = false;
  wait(90);
  EXPECT_EQ(used(), "a");
  a_.down = true;
  wait(30);
  EXPECT_EQ(used(), "");
  EXPECT_THAT(lines().back(), HasSubstr("for one switch, which was made"));
}

TEST_F(GuardedSwitchesTest, AGrantThatCantBeMarkedAsUsedIsNotUsedByItself) {
  give(grant_text(1, kBroker, seconds(3600), true));
  disk_.fail_after(0);
  a_.down = true;
  wait(10);
  EXPECT_EQ(used(), "");
  disk_.never_fail();
  wait(2);
  EXPECT_EQ(used(), "b");
}

TEST_F(GuardedSwitchesTest, BreakingTheGlassIsRecordedOverRestarts) {
  auto asked = wish("b", "nobody can be reached");
  asked.break_glass = true;
  ASSERT_TRUE(switches_->make(asked).ok());
  EXPECT_EQ(used(), "b");
  EXPECT_THAT(disk_.content("log/00000000000000000001.log"), HasSubstr("\"break_glass\":true"));
  restart();
  EXPECT_THAT(switches_->status_json(), HasSubstr("\"break_glass\":true"));
  ASSERT_TRUE(make("").ok());
  EXPECT_THAT(switches_->status_json(), HasSubstr("\"break_glass\":false"));
}

TEST_F(GuardedSwitchesTest, GrantsAreLoggedOnce) {
  give(grant_text(1, kBroker));
  restart();
  give(grant_text(2, kBroker));
  revoke(1);
  restart();
  const auto all = lines();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_THAT(all[2], HasSubstr("alice takes it back: left"));
}

TEST_F(SwitchesTest, WhatCantBeDoneIsRefusedAndLogged) {
  EXPECT_EQ(make("b", "").error().code, ErrorCode::kInvalid);
  EXPECT_EQ(make("c").error().message, "there is no target c, only a, b");
  auto elsewhere = wish("b");
  elsewhere.stream = "metrics";
  EXPECT_EQ(switches_->make(elsewhere).error().code, ErrorCode::kNotFound);
  elsewhere.stream = "orders";
  EXPECT_TRUE(switches_->make(elsewhere).ok());
  EXPECT_THAT(lines(), ElementsAre("refuse a>c carol there is no target c, only a, b",
                                   "refuse a>b carol this broker has no stream metrics, only "
                                   "telemetry, orders",
                                   "switch a>b carol drill"));
}

}  // namespace
}  // namespace spillway::broker
