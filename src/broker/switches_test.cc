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
  SwitchesTest() { begin(); }
  ~SwitchesTest() override { end(); }

  void begin() {
    const std::vector<std::string> names = {"a", "b"};
    state_ = std::make_unique<SwitchState>(disk_, "state");
    EXPECT_TRUE(state_->load().ok());
    log_ = std::make_unique<SwitchLog>(SwitchLogOptions{"log", "aside"}, disk_);
    EXPECT_EQ(log_->open(loop_.wall_now()).fault, "");
    Target* const targets[] = {&a_, &b_};
    RouteSettings settings;
    settings.canary_stream = FakeTarget::kCanaryStream;
    route_ = std::make_unique<Route>(Route::Parts{loop_, silent_, metrics_}, targets, settings,
                                     kept_of(state_->of(std::string(kAllStreams), names), names));
    switches_ = std::make_unique<Switches>(Switches::Parts{loop_, *route_, *state_, *log_, silent_},
                                           "edge");
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
    return switches_->make({target, reason, "carol", "r-1"});
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

  io::ManualLoop loop_;
  io::SilentLog silent_;
  metrics::Registry metrics_;
  log::CrashDisk disk_;
  FakeTarget a_{loop_, "a"};
  FakeTarget b_{loop_, "b"};
  std::unique_ptr<SwitchState> state_;
  std::unique_ptr<SwitchLog> log_;
  std::unique_ptr<Route> route_;
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

TEST_F(SwitchesTest, WhatCantBeDoneIsRefusedAndLogged) {
  EXPECT_EQ(make("b", "").error().code, ErrorCode::kInvalid);
  EXPECT_EQ(make("c").error().message, "there is no target c, only a, b");
  EXPECT_THAT(lines(), ElementsAre("refuse a>c carol there is no target c, only a, b"));
}

}  // namespace
}  // namespace spillway::broker
