#include "broker/switch_state.h"

#include "base/rfc3339.h"
#include "log/crash_disk.h"

namespace spillway::broker {
namespace {

const std::vector<std::string> kTargets{"a", "b", "c"};

StreamSwitch to(std::string_view target) {
  StreamSwitch state;
  state.target = target;
  state.held = true;
  state.since = *parse_rfc3339("2020-11-25T14:00:00.123Z");
  state.why = "region \"a\" impaired";
  state.by = "alice";
  return state;
}

class SwitchStateTest : public testing::Test {
 protected:
  // As a process that starts.
  SwitchState start() {
    SwitchState state(disk_, "state");
    EXPECT_TRUE(state.load().ok());
    return state;
  }
  log::CrashDisk disk_;
};

TEST_F(SwitchStateTest, AStreamBeginsAtItsFirstTarget) {
  const auto state = start().of("telemetry", kTargets);
  EXPECT_EQ(state.target, "a");
  EXPECT_FALSE(state.held);
  EXPECT_EQ(state.generation, 0u);
}

TEST_F(SwitchStateTest, WhatWasSetIsThereAfterARestart) {
  StreamSwitch expected = to("b");
  expected.set_back = {{"a", "its tip is behind"}};
  {
    auto state = start();
    ASSERT_TRUE(state.set("telemetry", to("c")).ok());
    ASSERT_TRUE(state.set("telemetry", expected).ok());
    ASSERT_TRUE(state.set("orders", to("c")).ok());
  }
  expected.generation = 2;
  auto state = start();
  EXPECT_EQ(state.of("telemetry", kTargets), expected);
  EXPECT_EQ(state.of("orders", kTargets).target, "c");
  ASSERT_TRUE(state.forget("orders").ok());
  EXPECT_EQ(start().of("orders", kTargets).target, "a");
}

TEST_F(SwitchStateTest, ATargetThatIsGoneFallsBackToTheFirst) {
  auto state = start();
  StreamSwitch held = to("c");
  held.set_back = {{"b", "its tip is behind"}, {"c", "likewise"}};
  ASSERT_TRUE(state.set("telemetry", held).ok());
  const std::vector<std::string> left{"a", "b"};
  const auto now = state.of("telemetry", left);
  EXPECT_EQ(now.target, "a");
  EXPECT_FALSE(now.held);
  EXPECT_EQ(now.why, "the target c is no longer configured");
  EXPECT_EQ(now.generation, 1u);
  EXPECT_THAT(now.set_back, testing::ElementsAre(testing::Pair("b", "its tip is behind")));
}

TEST_F(SwitchStateTest, WhatCannotBeStoredDoesNotCount) {
  auto state = start();
  ASSERT_TRUE(state.set("telemetry", to("b")).ok());
  disk_.fail_after(0);
  EXPECT_FALSE(state.set("telemetry", to("c")).ok());
  EXPECT_EQ(state.of("telemetry", kTargets).target, "b");
}

TEST_F(SwitchStateTest, ADamagedFileIsKeptAsideAndTold) {
  ASSERT_TRUE(start().set("telemetry", to("b")).ok());
  disk_.content("state").back() = 'x';
  const std::string damaged = disk_.content("state");
  SwitchState state(disk_, "state");
  const auto loaded = state.load();
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(loaded.error().message, testing::HasSubstr("its checksum is wrong"));
  EXPECT_THAT(loaded.error().message, testing::HasSubstr("kept as state.damaged"));
  EXPECT_EQ(disk_.content("state.damaged"), damaged);
  EXPECT_EQ(state.of("telemetry", kTargets).target, "a");
  ASSERT_TRUE(state.set("telemetry", to("c")).ok());
  EXPECT_EQ(start().of("telemetry", kTargets).target, "c");
}

// Power is cut at each call in turn: the state is the last that was acknowledged, or the one that
// was on its way.
TEST_F(SwitchStateTest, NothingAcknowledgedIsLostWhenPowerIsCut) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Random random(seed);
    log::CrashDisk disk;
    std::uint64_t acknowledged = 0;
    for (int life = 0; life < 4; ++life) {
      SwitchState state(disk, "state");
      ASSERT_TRUE(state.load().ok()) << seed;
      const auto generation = state.of("telemetry", kTargets).generation;
      ASSERT_GE(generation, acknowledged) << seed;
      ASSERT_LE(generation, acknowledged + 1) << seed;
      acknowledged = generation;
      disk.fail_after(random.below(25));
      while (state.set("telemetry", to("b")).ok()) ++acknowledged;
      disk.cut_power(random);
    }
  }
}

TEST(SwitchStateText, ReadsWhatItWritesAndNothingElse) {
  StreamSwitch state = to("b");
  state.generation = 7;
  state.set_back = {{"a", "its tip is behind"}};
  const StreamSwitches switches{{"telemetry", state}, {"orders", to("c")}};
  const std::string text = encode(switches);
  EXPECT_THAT(
      text,
      testing::EndsWith(
          R"({"stream":"telemetry","target":"b","held":true,)"
          R"("since":"2020-11-25T14:00:00.123Z","why":"region \"a\" impaired",)"
          R"("by":"alice","break_glass":false,"generation":7,"set_back":{"a":"its tip is behind"}})"
          "\n"));
  EXPECT_EQ(*decode_switch_state(text), switches);
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_FALSE(decode_switch_state(text.substr(0, size)).ok()) << size;
  for (std::size_t at = 0; at < text.size(); ++at) {
    std::string changed = text;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_FALSE(decode_switch_state(changed).ok()) << at;
  }
  std::string newer = text;
  newer.replace(newer.find(" 1 "), 3, " 2 ");
  EXPECT_EQ(decode_switch_state(newer).error().code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace spillway::broker
