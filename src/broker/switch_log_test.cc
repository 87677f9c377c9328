#include "broker/switch_log.h"

#include "broker/switch_log_files.h"
#include "log/crash_disk.h"

namespace spillway::broker {
namespace {

const WallTime kTime = from_millis(1'606'312'800'123);

SwitchEvent event(std::string_view reason) {
  SwitchEvent made;
  made.time = kTime;
  made.stream = "telemetry";
  made.from = "a";
  made.to = "b";
  made.who = "alice";
  made.reason = reason;
  made.grant = "0123456789abcdef0123456789abcdef";
  made.request_id = "r-1";
  return made;
}

TEST(SwitchLine, IsOneLineOfJsonAndReadsBack) {
  const SwitchLine line{1, {}, event("region \"a\"\nimpaired")};
  EXPECT_EQ(
      switch_line(line),
      R"({"v":1,"sequence":1,)"
      R"("previous":"0000000000000000000000000000000000000000000000000000000000000000",)"
      R"("time":"2020-11-25T14:00:00.123Z","action":"switch","stream":"telemetry",)"
      R"("from":"a","to":"b","who":"alice","reason":"region \"a\"\u000aimpaired",)"
      R"("grant":"0123456789abcdef0123456789abcdef","break_glass":false,"request_id":"r-1"})");
  const auto read = parse_switch_line(switch_line(line));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->event, line.event);
}

TEST(SwitchLine, HasOneFormOnly) {
  const std::string line = switch_line({1, {}, event("é")});
  for (std::size_t size = 0; size < line.size(); ++size)
    EXPECT_FALSE(parse_switch_line(line.substr(0, size)).ok()) << size;
  const std::pair<std::string_view, std::string_view> changes[] = {
      {R"("v":1,)", R"("v":1, )"},
      {R"("v":1)", R"("v":0)"},
      {R"("v":1)", R"("v":2)"},
      {R"("alice")", R"("\u0061lice")"},
      {R"(,"to")", R"(,"more":1,"to")"},
      {R"("a",)", R"("a","from":"c",)"},
      {"false", "0"},
      {"switch", "swatch"},
      {"14:00", "24:00"},
      {"000\"", "00A\""},
  };
  for (const auto& [from, to] : changes) {
    std::string other = line;
    other.replace(other.find(from), from.size(), to);
    const auto read = parse_switch_line(other);
    ASSERT_FALSE(read.ok()) << other;
    EXPECT_EQ(read.error().code, ErrorCode::kCorrupt);
  }
  std::string newer = line;
  newer.replace(newer.find(":1"), 2, ":3");
  EXPECT_EQ(parse_switch_line(newer).error().code, ErrorCode::kUnsupported);
}

TEST(SwitchLine, ActionsThatCameWithAVersionHaveIt) {
  for (const auto action : {SwitchAction::kSetBack, SwitchAction::kAccept}) {
    auto made = event("restored");
    made.action = action;
    std::string line = switch_line({1, {}, made});
    EXPECT_TRUE(line.starts_with(R"({"v":2,)"));
    const auto read = parse_switch_line(line);
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(read->event, made);
    line[5] = '1';
    EXPECT_EQ(parse_switch_line(line).error().code, ErrorCode::kCorrupt);
  }
}

TEST(SwitchHead, ReadsWhatItPrints) {
  const SwitchHead head{42, sha256("x")};
  EXPECT_EQ(*parse_switch_head(to_string(head)), head);
  const std::string text = to_string(head);
  std::string upper = text;
  std::ranges::transform(upper, upper.begin(), [](char c) { return std::toupper(c); });
  for (const std::string& bad : {std::string(), text.substr(1), text + " ", upper,
                                 text.substr(0, text.size() - 2), text.substr(0, 65) + "042"})
    EXPECT_FALSE(parse_switch_head(bad).ok()) << bad;
}

// The reasons of all lines of a log that must be whole.
std::vector<std::string> reasons_in(io::Disk& disk) {
  EXPECT_TRUE(verify_switch_log(disk, "log", std::nullopt).ok());
  std::vector<std::string> found;
  const auto files = switch_log_files(disk, "log").value();
  for (const auto& file : files) {
    const std::string bytes = io::read_file(disk, file, 1 << 20).value();
    for (std::size_t at = 0; at < bytes.size(); at = bytes.find('\n', at) + 1) {
      const auto line = bytes.substr(at, bytes.find('\n', at) - at);
      found.push_back(parse_switch_line(line).value().event.reason);
    }
  }
  return found;
}

class SwitchLogTest : public testing::Test {
 protected:
  SwitchLog make() { return SwitchLog(options_, disk_); }
  std::vector<std::string> reasons() { return reasons_in(disk_); }
  std::string& first_file() { return disk_.content(switch_log_file("log", 1)); }
  std::string fault(const std::optional<SwitchHead>& kept = std::nullopt,
                    const std::string& path = "log") {
    const auto verified = verify_switch_log(disk_, path, kept);
    return verified.ok() ? "" : verified.error().message;
  }

  log::CrashDisk disk_;
  SwitchLogOptions options_{.directory = "log", .aside = "aside"};
};

TEST_F(SwitchLogTest, GoesOnAfterARestart) {
  for (const char* reason : {"one", "two", "three"}) {
    auto log = make();
    const auto recorded = log.append(event(reason));
    EXPECT_EQ(recorded.fault, "");
    EXPECT_EQ(verify_switch_log(disk_, "log", recorded.head)->head, recorded.head);
  }
  EXPECT_THAT(reasons(), testing::ElementsAre("one", "two", "three"));
}

TEST_F(SwitchLogTest, TheChainGoesOnInTheNextFile) {
  options_.file_bytes = 500;
  auto log = make();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(log.append(event(std::to_string(i))).fault, "");
  EXPECT_THAT(switch_log_files(disk_, "log").value(),
              testing::ElementsAre(switch_log_file("log", 1), switch_log_file("log", 3),
                                   switch_log_file("log", 5)));
  EXPECT_THAT(reasons(), testing::ElementsAre("0", "1", "2", "3", "4"));
  EXPECT_EQ(fault(std::nullopt, switch_log_file("log", 3)), "");
  ASSERT_TRUE(disk_.remove(switch_log_file("log", 3)).ok());
  EXPECT_THAT(fault(), testing::HasSubstr("0005.log, line 1: the line has the number 5, and 3"));
}

TEST_F(SwitchLogTest, EveryChangeOfALineIsSeen) {
  auto log = make();
  for (const char* reason : {"one", "two", "three"}) log.append(event(reason));
  const std::string whole = first_file();
  const auto head = verify_switch_log(disk_, "log", std::nullopt)->head;
  // Any byte but those of the last line, which nothing follows: there the head shows it.
  for (std::size_t at = 0; at < whole.size(); ++at) {
    first_file() = whole;
    first_file()[at] = static_cast<char>(first_file()[at] ^ 1);
    EXPECT_NE(fault(head), "") << at;
  }
  first_file() = whole.substr(0, whole.find('\n') + 1);
  EXPECT_EQ(fault(), "");
  EXPECT_THAT(fault(head), testing::HasSubstr("its end was cut off"));
  first_file() = whole.substr(whole.find('\n') + 1);
  EXPECT_THAT(fault(), testing::HasSubstr("line 1: the line has the number 2, and 1 is due"));
  EXPECT_EQ(fault(head, switch_log_file("log", 1)),
            "");  // a file's first line is taken at its word
  first_file() = whole.substr(0, whole.size() - 1);
  EXPECT_THAT(fault(), testing::HasSubstr("line 3: the line is cut"));
}

TEST_F(SwitchLogTest, ALogThatWasWrittenAnewHasAnotherHead) {
  auto log = make();
  const auto head = log.append(event("one")).head;
  log.append(event("two"));
  EXPECT_EQ(fault(head), "");
  SwitchChain other;
  first_file() = other.extend(event("ONE")) + "\n";
  first_file() += other.extend(event("two")) + "\n";
  EXPECT_EQ(fault(), "");
  EXPECT_THAT(fault(head), testing::HasSubstr("line 1 is another one than when the head was kept"));
}

TEST_F(SwitchLogTest, WhatACrashCutIsSetAsideAndTold) {
  make().append(event("one"));
  const std::string torn = switch_line({2, {}, event("two")}).substr(0, 50);
  first_file() += torn;
  auto log = make();
  EXPECT_EQ(log.open(kTime).fault, "");
  EXPECT_EQ(disk_.content(switch_log_file("log", 1) + ".303.torn"), torn);
  log.append(event("three"));
  EXPECT_THAT(reasons(),
              testing::ElementsAre("one", testing::HasSubstr("50 bytes of a line"), "three"));
}

// As the disk fails at each call of the start that finds the line, and comes back, for this process
// or for another one.
TEST_F(SwitchLogTest, WhatACrashCutIsToldOnceWhateverFailsMeanwhile) {
  for (const bool restarted : {false, true}) {
    for (std::uint64_t calls = 0; calls < 20; ++calls) {
      log::CrashDisk disk;
      SwitchLog(options_, disk).append(event("one"));
      disk.content(switch_log_file("log", 1)) += "{\"v\":1";
      SwitchLog log(options_, disk);
      disk.fail_after(calls);
      log.append(event("two"));
      disk.never_fail();
      SwitchLog next(options_, disk);
      EXPECT_EQ((restarted ? next : log).append(event("three")).fault, "") << calls;
      auto told = reasons_in(disk);
      if (restarted) std::erase(told, "two");  // it may have been in memory alone
      const auto torn = testing::HasSubstr("6 bytes of a line");
      if (restarted)
        EXPECT_THAT(told, testing::ElementsAre("one", torn, "three")) << calls;
      else
        EXPECT_THAT(told, testing::ElementsAre("one", torn, "two", "three")) << calls;
    }
  }
}

TEST_F(SwitchLogTest, DamageBeforeTheEndStopsItAndKeepsEverythingAside) {
  auto log = make();
  for (const char* reason : {"one", "two"}) log.append(event(reason));
  first_file()[10] = 'x';
  const std::string damaged = first_file();
  auto again = make();
  const auto recorded = again.append(event("three"));
  EXPECT_FALSE(recorded.fault.empty());
  EXPECT_TRUE(recorded.aside);
  EXPECT_EQ(first_file(), damaged);
  EXPECT_THAT(disk_.content("aside"), testing::HasSubstr("three"));
}

// As the disk fails at each call in turn, and comes back.
TEST_F(SwitchLogTest, WhatCannotBeWrittenIsKeptAsideAndComesLater) {
  for (std::uint64_t calls = 0; calls < 12; ++calls) {
    log::CrashDisk disk;
    SwitchLog log(options_, disk);
    disk.fail_after(calls, ErrorCode::kNoSpace);
    bool told = false;
    for (const char* reason : {"one", "two", "three"})
      told |= !log.append(event(reason)).fault.empty();
    EXPECT_EQ(told, disk.failed()) << calls;
    disk.never_fail();
    EXPECT_EQ(log.append(event("four")).fault, "") << calls;
    EXPECT_THAT(reasons_in(disk), testing::ElementsAre("one", "two", "three", "four")) << calls;
  }
}

// As the disk fails again at each call while what is aside is taken in.
TEST_F(SwitchLogTest, WhatWasAsideIsTakenInOnce) {
  for (const bool restarted : {false, true}) {
    for (std::uint64_t calls = 0; calls < 20; ++calls) {
      log::CrashDisk disk;
      SwitchLog log(options_, disk);
      log.append(event("zero"));
      disk.fail_after(0);
      log.append(event("one"));
      disk.never_fail();
      disk.content(switch_log_file("log", 1))[5] = '?';
      for (const char* reason : {"two", "three"}) EXPECT_TRUE(log.append(event(reason)).aside);
      disk.content(switch_log_file("log", 1))[5] = '1';
      disk.fail_after(calls, ErrorCode::kNoSpace);
      log.open(kTime);
      disk.never_fail();
      SwitchLog next(options_, disk);
      EXPECT_EQ((restarted ? next : log).append(event("four")).fault, "") << calls;
      EXPECT_THAT(reasons_in(disk), testing::ElementsAre("zero", "one", "two", "three", "four"))
          << calls;
    }
  }
}

TEST_F(SwitchLogTest, WhatIsAsideIsTakenInByTheNextProcess) {
  auto log = make();
  log.append(event("one"));
  disk_.fail_after(0);
  EXPECT_FALSE(log.append(event("two")).aside);
  disk_.never_fail();
  disk_.put("log/00000000000000000001.log.new", "");  // what a crash may leave
  first_file()[5] = '?';
  const auto recorded = log.append(event("three"));
  EXPECT_TRUE(recorded.aside);
  EXPECT_THAT(recorded.fault, testing::HasSubstr("2 entries are kept in aside"));
  first_file()[5] = '1';
  auto next = make();
  EXPECT_EQ(next.open(kTime).fault, "");
  EXPECT_THAT(reasons(), testing::ElementsAre("one", "two", "three"));
  EXPECT_EQ(disk_.open("aside", io::OpenMode::kRead).error().code, ErrorCode::kNotFound);
}

TEST_F(SwitchLogTest, WhatFindsNoRoomAsideIsCounted) {
  options_.aside_events = 2;
  auto log = make();
  disk_.fail_after(0);
  for (const char* reason : {"one", "two", "three", "four"}) log.append(event(reason));
  disk_.never_fail();
  EXPECT_EQ(log.open(kTime).fault, "");
  EXPECT_THAT(reasons(),
              testing::ElementsAre("one", "two", testing::HasSubstr("2 entries are missing here")));
}

// Power is cut at each call in turn; what was acknowledged is there, once, in a log that is whole.
TEST_F(SwitchLogTest, NothingAcknowledgedIsLostWhenPowerIsCut) {
  std::uint64_t cuts = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    log::CrashDisk disk;
    SwitchLogOptions options = options_;
    options.file_bytes = 1000;
    std::vector<std::string> acknowledged;
    for (int life = 0, number = 0; life < 4; ++life) {
      SwitchLog log(options, disk);
      disk.fail_after(random.below(30));
      while (!disk.failed()) {
        const auto reason = std::to_string(number++);
        const auto recorded = log.append(event(reason));
        if (recorded.fault.empty() || recorded.aside) acknowledged.push_back(reason);
      }
      ++cuts;
      disk.cut_power(random);
    }
    SwitchLog log(options, disk);
    ASSERT_EQ(log.open(kTime).fault, "");
    std::map<std::string, int> times;
    for (const auto& reason : reasons_in(disk)) ++times[reason];
    for (const auto& reason : acknowledged) EXPECT_EQ(times[reason], 1) << reason;
  }
  EXPECT_EQ(cuts, 1600u);
}

}  // namespace
}  // namespace spillway::broker
