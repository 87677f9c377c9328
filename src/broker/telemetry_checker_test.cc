#include "broker/telemetry_checker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/random.h"

namespace spillway::broker {
namespace {

constexpr WallTime kHorizon{milliseconds{1'000'000}};
constexpr const char* kNew = "0000000f4241-0000000000000001";  // started after the horizon
constexpr const char* kOld = "0000000f423f-0000000000000002";  // and before

TelemetryRecord record(std::string source, std::string subject, std::uint64_t seq,
                       std::uint64_t dropped = 0) {
  return {{std::move(source), std::move(subject), seq, dropped, kHorizon}, std::nullopt};
}

struct Seen {
  std::uint64_t seq;
  std::uint64_t dropped = 0;
};
struct Case {
  std::string_view name;
  const char* source;
  std::vector<Seen> seen;
  CheckedTotals expected;
};

TEST(TelemetryChecker, TellsWhatIsMissingAndWhatIsTwice) {
  const Case cases[] = {
      {"whole", kNew, {{1}, {2}, {3}}, {.records = 3}},
      {"gap", kNew, {{1}, {4}}, {.records = 2, .lost = 2}},
      {"beginning", kNew, {{3}}, {.records = 1, .lost = 2}},
      {"expired beginning", kOld, {{3}, {4}}, {.records = 2}},
      {"gap behind an expired beginning", kOld, {{3}, {5}}, {.records = 2, .lost = 1}},
      {"expired with drops", kOld, {{9, 4}, {10, 4}}, {.records = 2}},
      {"doubled", kNew, {{1}, {2}, {2}}, {.records = 3, .doubled = 1}},
      {"doubled older", kNew, {{1}, {2}, {3}, {1}}, {.records = 4, .doubled = 1}},
      {"late", kNew, {{1}, {4}, {2}, {3}}, {.records = 4, .late = 2}},
      {"late from amid a gap", kNew, {{1}, {5}, {3}}, {.records = 3, .lost = 2, .late = 1}},
      {"late and doubled", kNew, {{1}, {3}, {2}, {2}}, {.records = 4, .doubled = 1, .late = 1}},
      {"dropped", kNew, {{1}, {4, 2}}, {.records = 2, .dropped = 2}},
      {"dropped and lost", kNew, {{1}, {5, 2}}, {.records = 2, .lost = 1, .dropped = 2}},
      {"dropped first", kNew, {{3, 2}}, {.records = 1, .dropped = 2}},
  };
  for (const auto& test : cases) {
    TelemetryChecker checker(kHorizon);
    for (const auto& seen : test.seen)
      checker.add(record(test.source, "cpu", seen.seq, seen.dropped));
    const auto totals = checker.final_totals();
    EXPECT_EQ(totals.records, test.expected.records) << test.name;
    EXPECT_EQ(totals.lost, test.expected.lost) << test.name;
    EXPECT_EQ(totals.doubled, test.expected.doubled) << test.name;
    EXPECT_EQ(totals.dropped, test.expected.dropped) << test.name;
    EXPECT_EQ(totals.late, test.expected.late) << test.name;
    EXPECT_EQ(totals.unchecked, 0u) << test.name;
  }
}

TEST(TelemetryChecker, WhatASourceTellsOfItselfIsNoTelemetry) {
  TelemetryChecker checker(kHorizon);
  checker.add(record(kNew, std::string(kSourceSubject), 1));
  EXPECT_EQ(checker.totals_of(kNew).telemetry, 0u);
  checker.add(record(kNew, "cpu", 1));
  EXPECT_EQ(checker.totals_of(kNew).telemetry, 1u);
  EXPECT_EQ(checker.totals_of(kNew).records, 2u);
}

TEST(TelemetryChecker, CountsEachSubjectAndSourceForItself) {
  TelemetryChecker checker(kHorizon);
  for (const char* source : {kNew, "0000000f4242-0000000000000003"})
    for (const char* subject : {"cpu", "memory"}) checker.add(record(source, subject, 1));
  EXPECT_TRUE(checker.totals().complete());
  EXPECT_EQ(checker.totals().records, 4u);
  checker.add(record(kNew, "cpu", 5));
  checker.add(record(kNew, "cpu", 5));
  EXPECT_EQ(checker.totals_of(kNew).records, 4u);
  EXPECT_EQ(checker.totals_of(kNew).lost, 3u);
  EXPECT_EQ(checker.totals_of(kNew).doubled, 1u);
  EXPECT_TRUE(checker.totals_of("0000000f4242-0000000000000003").complete());
  EXPECT_EQ(checker.totals_of("another").records, 0u);
}

TEST(TelemetryChecker, TheEndOfASourceTellsWhatIsMissingBehindTheLast) {
  TelemetryChecker checker(kHorizon);
  checker.add(record(kNew, "cpu", 1));
  auto end = record(kNew, "source", 1);
  end.ends = SubjectEnds{{"cpu", {4, 1}}, {"never seen", {2, 0}}};
  checker.add(end);
  EXPECT_TRUE(checker.has_end(kNew));
  EXPECT_FALSE(checker.has_end(kOld));
  EXPECT_EQ(checker.totals().lost, 0u) << "they may still come";
  EXPECT_EQ(checker.final_totals().lost, 4u);
  EXPECT_EQ(checker.final_totals_of(kNew).lost, 4u);
  EXPECT_EQ(checker.final_totals_of(kOld).lost, 0u);
  EXPECT_EQ(checker.final_totals().dropped, 1u);
  for (const std::uint64_t seq : {2, 4}) checker.add(record(kNew, "cpu", seq, seq == 4 ? 1 : 0));
  for (const std::uint64_t seq : {1, 2}) checker.add(record(kNew, "never seen", seq));
  EXPECT_EQ(checker.final_totals().lost, 0u);
  EXPECT_EQ(checker.final_totals().dropped, 1u);
}

TEST(TelemetryChecker, AgreesWithASetOfAllThatWasSeen) {
  const char* given = std::getenv("SPILLWAY_SEED");
  const std::uint64_t seed = given ? std::strtoull(given, nullptr, 10) : 20260101;
  SCOPED_TRACE(testing::Message() << "SPILLWAY_SEED=" << seed);
  Random random(seed);
  for (int round = 0; round < 300; ++round) {
    TelemetryChecker checker(kHorizon);
    std::map<std::uint64_t, int> seen;
    const auto highest = 1 + random.below(60);
    for (std::uint64_t i = 0; i < highest; ++i) {
      // Mostly in order, now and then far off.
      const auto seq = random.one_in(4) ? 1 + random.below(highest) : i + 1;
      checker.add(record(kNew, "cpu", seq));
      ++seen[seq];
    }
    std::uint64_t doubled = 0;
    for (const auto& [seq, times] : seen) doubled += static_cast<std::uint64_t>(times - 1);
    EXPECT_EQ(checker.totals().lost, seen.rbegin()->first - seen.size());
    EXPECT_EQ(checker.totals().doubled, doubled);
  }
}

TEST(TelemetryChecker, SaysWhichOnesAndNotWithoutEnd) {
  TelemetryChecker checker(kHorizon);
  checker.add(record(kNew, "cpu", 3));
  checker.add(record(kNew, "cpu", 3));
  ASSERT_EQ(checker.problems().size(), 2u);
  EXPECT_THAT(checker.problems()[0], testing::HasSubstr("subject cpu: 1 to 2 missing"));
  EXPECT_THAT(checker.problems()[1], testing::HasSubstr("3 is there twice"));
  for (int i = 0; i < 100; ++i) checker.add(record(kNew, "cpu", 3));
  EXPECT_EQ(checker.problems().size(), TelemetryChecker::kProblemsMax);
}

TEST(TelemetryChecker, RemembersWithinBounds) {
  TelemetryChecker checker(kHorizon);
  for (std::uint64_t i = 0; i < TelemetryChecker::kGapsMax + 10; ++i)
    checker.add(record(kNew, "cpu", 2 * i + 2));
  EXPECT_EQ(checker.totals().lost, TelemetryChecker::kGapsMax + 10) << "forgotten gaps stay lost";
  for (std::size_t i = 1; i < TelemetryChecker::kSubjectsMax + 5; ++i)
    checker.add(record(kNew, "subject " + std::to_string(i), 1));
  EXPECT_EQ(checker.totals().unchecked, 5u);
}

}  // namespace
}  // namespace spillway::broker
