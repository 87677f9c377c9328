#include "cli/up_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/up_script.h"

namespace spillway::cli {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

UpState busy_state() {
  UpState state;
  state.phase = "flowing";
  state.data = "/var/lib/a/rather/long/path/to/where/everything/is/stored/spillway-data";
  state.regions = {{"a", "127.0.0.1:4566", "serves"}, {"b", "127.0.0.1:4568", "serves"}};
  state.stream = "telemetry";
  state.running = seconds(3723);
  state.records = 1'234'567;
  state.bytes = 300 << 20;
  state.records_before = 1'000'000;
  state.records_per_s = 13.1;
  state.bytes_per_s = 4096;
  state.reader = "reads a and b";
  state.broker = BrokerSeen{.source = "x",
                            .target_up = true,
                            .used = "a",
                            .because = "the first that is well",
                            .used_for = seconds(75),
                            .put_p50 = std::chrono::microseconds(850),
                            .put_p99 = milliseconds(12)};
  state.totals.records = 234'567;
  for (int i = 0; i < 20; ++i)
    state.subjects["disk/sd" + std::to_string(i)] = {1000, R"({"reads_per_s":1.50,"busy":true})"};
  state.subjects["file/var/log/syslog"] = {7,
                                           "{\"line\":\"caf\xc3\xa9 \xc2\x9b"
                                           "31m\"}"};
  for (int i = 0; i < 9; ++i) state.log.push_back("broker: line \x1b[31m" + std::to_string(i));
  return state;
}

std::size_t columns_of(const std::string& line) {
  std::size_t columns = 0;
  for (const char c : line) columns += (static_cast<unsigned char>(c) & 0xc0) != 0x80 ? 1 : 0;
  return columns;
}

TEST(UpView, FitsEverySizeOfTerminal) {
  const auto state = busy_state();
  for (std::size_t columns = 1; columns <= 200; columns += columns < 20 ? 1 : 17) {
    for (std::size_t rows = 1; rows <= 60; ++rows) {
      const auto lines = render(state, {columns, rows});
      EXPECT_LE(lines.size(), rows);
      EXPECT_FALSE(lines.empty());
      for (const auto& line : lines) {
        EXPECT_LE(columns_of(line), columns);
        for (const char c : line) EXPECT_GE(static_cast<unsigned char>(c), 0x20);
        EXPECT_THAT(line, Not(HasSubstr("\xc2\x9b")));
      }
    }
  }
}

TEST(UpView, ShowsWhatFlows) {
  const auto lines = render(busy_state(), {100, 30});
  EXPECT_EQ(lines.size(), 30u) << "all that there is room for";
  EXPECT_THAT(lines, Contains("Spillway 1:02:03: flowing"));
  EXPECT_THAT(lines, Contains("flow     13.1 records/s, 4.0 KiB/s"));
  EXPECT_THAT(lines, Contains("writes   p50 850 µs, p99 12 ms"));
  EXPECT_THAT(lines, Contains("regions  a serves (127.0.0.1:4566), b serves (127.0.0.1:4568)"));
  EXPECT_THAT(lines, Contains("route    a for 0:01:15: the first that is well"));
  EXPECT_THAT(lines, Contains("keys     k kills region a, s switches to b, q ends"));
  EXPECT_THAT(lines, Contains("reader   reads a and b"));
  EXPECT_THAT(lines, Contains("checked  0 lost, 0 doubled"));
  EXPECT_THAT(lines, Contains("total    1,234,567 records, 300.0 MiB (1,000,000 stored before)"));
  EXPECT_THAT(lines, Contains(HasSubstr("reads_per_s 1.50, busy true")));
  EXPECT_THAT(lines.back(), StartsWith("broker: line ?[31m8"));
}

TEST(UpView, TheKeysFollowWhatHasHappened) {
  auto state = busy_state();
  state.regions[0].state = "killed";
  state.broker->used = "b";
  EXPECT_THAT(render(state, {100, 30}),
              Contains("keys     r restarts region a, s stays with b, q ends"));
  state.broker->held = true;
  EXPECT_THAT(render(state, {100, 30}),
              Contains("keys     r restarts region a, s releases the switch, q ends"));
  EXPECT_THAT(render(state, {100, 30}), Contains(StartsWith("route    b, held, for 0:01:15: ")));
  state.broker->used.clear();
  EXPECT_THAT(render(state, {100, 30}), Contains(StartsWith("route    no region, held,")));
}

TEST(UpView, ASwitchGoesToTheOtherRegionWhereThatIsUp) {
  auto state = busy_state();
  const auto to = [&](std::string_view used, std::string_view a, std::string_view b) {
    state.broker->used = used;
    state.regions[0].state = a;
    state.regions[1].state = b;
    return kUpRegions[region_to_switch_to(state)];
  };
  EXPECT_EQ(to("a", "serves", "serves"), "b");
  EXPECT_EQ(to("b", "serves", "serves"), "a");
  EXPECT_EQ(to("b", "starts", "serves"), "a");
  EXPECT_EQ(to("b", "killed", "serves"), "b") << "records would only wait";
  EXPECT_EQ(to("a", "serves", "killed"), "a");
  EXPECT_EQ(to("", "killed", "serves"), "b");
  EXPECT_EQ(to("", "serves", "serves"), "a");
}

TEST(UpView, ASmallWindowHasTheFigures) {
  const auto lines = render(busy_state(), {40, 10});
  EXPECT_THAT(lines, Contains("flow     13.1 records/s, 4.0 KiB/s"));
  EXPECT_THAT(lines, Contains("checked  0 lost, 0 doubled"));
}

TEST(UpView, NothingIsKnownAtFirst) {
  UpState state;
  state.phase = "starting";
  EXPECT_THAT(render(state, {80, 24}), Contains("writes   p50 -, p99 -"));
  EXPECT_THAT(plain_line(state), StartsWith("0:00:00 starting: 0.0 records/s, 0 B/s"));
}

TEST(UpView, WhatIsWrongIsSaid) {
  auto state = busy_state();
  state.totals = {.records = 90, .lost = 7, .doubled = 3, .dropped = 2, .late = 1, .unchecked = 5};
  state.lost_before = 4;
  state.problem = "connection refused";
  state.broker->spooled = 1234;
  state.copies = 12;
  constexpr const char* kFound =
      "7 lost, 3 doubled, 2 dropped, 1 late, 5 unchecked; 4 lost of earlier runs";
  EXPECT_THAT(render(state, {100, 30}), Contains(HasSubstr(kFound)));
  EXPECT_THAT(render(state, {100, 30}), Contains("problem  connection refused"));
  EXPECT_THAT(plain_line(state), HasSubstr(kFound));
  EXPECT_THAT(plain_line(state), HasSubstr("p99 12 ms, 1,234 records wait"));
  const auto text = summary(state, {"source x subject cpu: 5 to 7 missing"});
  EXPECT_THAT(text, StartsWith("90 records flowed in 3723 s: 7 lost, 3 doubled"));
  EXPECT_THAT(text, HasSubstr("(1,000,000 stored before), 12 of them in both regions, read once"));
  EXPECT_THAT(text, HasSubstr("\n  source x subject cpu: 5 to 7 missing"));
  EXPECT_THAT(plain_line(state), Not(HasSubstr("\n")));
}

TEST(UpView, NumbersAreForPeople) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(1536), "1.5 KiB");
  EXPECT_EQ(bytes_text(3.0 * (1 << 30)), "3.0 GiB");
  EXPECT_EQ(duration_text(nanoseconds(0)), "0 ms");
  EXPECT_EQ(duration_text(std::chrono::microseconds(85)), "85 µs");
  EXPECT_EQ(duration_text(milliseconds(5)), "5.0 ms");
  EXPECT_EQ(duration_text(seconds(90)), "90 s");
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(count_text(999), "999");
  EXPECT_EQ(count_text(1000), "1,000");
  EXPECT_EQ(count_text(1234567), "1,234,567");
}

}  // namespace
}  // namespace spillway::cli
