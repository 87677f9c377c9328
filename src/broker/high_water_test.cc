#include "broker/high_water.h"

#include <gmock/gmock.h>

#include "log/crash_disk.h"
#include "stream/sequence_number.h"

namespace spillway::broker {
namespace {

using testing::HasSubstr;

const WallTime kNow = from_millis(1'606'312'800'123);

class HighWaterTest : public testing::Test {
 protected:
  static client::PutOutcome outcome(const std::string& shard, const std::string& number) {
    client::PutOutcome outcome;
    outcome.shard_id = shard;
    outcome.sequence_number = number;
    return outcome;
  }
  std::optional<HighWaterMarks::Finding> answer(const HighWaterMarks::Sent& sent,
                                                const std::vector<std::string>& numbers,
                                                const std::string& shard = "0") {
    std::vector<client::PutOutcome> outcomes;
    outcomes.reserve(numbers.size());
    for (const auto& number : numbers) outcomes.push_back(outcome(shard, number));
    return marks_.answered(sent, "s", outcomes, kNow);
  }
  // A request that is answered before the next one is sent.
  bool behind(const std::vector<std::string>& numbers, const std::string& shard = "0") {
    return answer(marks_.sent(), numbers, shard).has_value();
  }
  std::string mark(const std::string& shard = "0") const {
    const auto kept = marks_.kept();
    const auto found = kept.shards.find({"s", shard});
    return found != kept.shards.end() ? found->second.sequence_number : "";
  }

  HighWaterMarks marks_{true};
};

TEST_F(HighWaterTest, NumbersThatRiseAreFine) {
  EXPECT_FALSE(behind({"5", "6", "7"}));
  EXPECT_FALSE(behind({"8"}));
  EXPECT_FALSE(behind({"10", "9"})) << "in one answer in any order";
  EXPECT_FALSE(behind({"3"}, "1")) << "each shard for itself";
  EXPECT_EQ(mark(), "10");
  EXPECT_EQ(mark("1"), "3");
}

TEST_F(HighWaterTest, ANumberThatWasGivenBeforeIsFound) {
  for (const std::string number : {"9", "10", "0000000010", "1"}) {
    marks_.forget();
    EXPECT_FALSE(behind({"10"}));
    const auto found = answer(marks_.sent(), {"11", number});
    ASSERT_TRUE(found.has_value()) << number;
    EXPECT_EQ(found->kind, HighWaterMarks::Kind::kBehind);
    EXPECT_EQ(found->what, "in shard 0 of stream s it gave " + number +
                               " to a record, though it had acknowledged 10 at "
                               "2020-11-25T14:00:00.123Z");
    EXPECT_EQ(mark(), "10") << "the next one finds it, too";
  }
}

TEST_F(HighWaterTest, AnAnswerIsHeldAgainstWhatCameBeforeItsRequest) {
  EXPECT_FALSE(behind({"10"}));
  const auto slow = marks_.sent();
  const auto slower = marks_.sent();
  EXPECT_FALSE(behind({"30"}));
  const auto late = marks_.sent();
  EXPECT_FALSE(behind({"40"}));
  EXPECT_FALSE(answer(slow, {"20"}));
  EXPECT_TRUE(answer(late, {"25"})) << "30 was there when it was sent";
  EXPECT_TRUE(answer(slower, {"10"}));
  EXPECT_EQ(mark(), "40");
}

TEST_F(HighWaterTest, WithRequestsWithoutAnswersAsWell) {
  for (int i = 1; i <= 1000; ++i) {
    marks_.unanswered(marks_.sent());
    EXPECT_FALSE(behind({std::to_string(2 * i)}));
    EXPECT_TRUE(behind({std::to_string(2 * i - 1)}));
  }
}

TEST_F(HighWaterTest, EveryOrderOfTwoRequestsAndTheirAnswers) {
  // Of what really happens: numbers are given while the requests are there, in either order.
  for (const bool second_is_sent_late : {false, true}) {
    for (const bool second_is_first : {false, true}) {
      for (const bool second_is_answered_first : {false, true}) {
        if (second_is_sent_late && (second_is_first || second_is_answered_first)) continue;
        marks_.forget();
        EXPECT_FALSE(behind({"10"}));
        const std::string numbers[] = {second_is_first ? "12" : "11",
                                       second_is_first ? "11" : "12"};
        const auto first = marks_.sent();
        if (second_is_sent_late) {
          EXPECT_FALSE(answer(first, {numbers[0]}));
          EXPECT_FALSE(answer(marks_.sent(), {numbers[1]}));
          continue;
        }
        const auto second = marks_.sent();
        EXPECT_FALSE(second_is_answered_first ? answer(second, {numbers[1]})
                                              : answer(first, {numbers[0]}));
        EXPECT_FALSE(second_is_answered_first ? answer(first, {numbers[0]})
                                              : answer(second, {numbers[1]}));
        EXPECT_EQ(mark(), "12");
      }
    }
  }
}

TEST_F(HighWaterTest, OfSpillwayThePlaceCountsAndNotTheTime) {
  stream::ShardInfo shard;
  shard.index = 3;
  shard.created_seconds = 1'606'312'000;
  const auto number = [&](std::uint64_t position, int after) {
    return to_string(stream::sequence_number_of(shard, {position}, kNow + seconds(after)));
  };
  EXPECT_FALSE(behind({number(7, 0), number(8, 0)}));
  EXPECT_FALSE(behind({number(9, 0)}));
  EXPECT_TRUE(behind({number(9, 60)})) << "a higher number, and the same place";
  shard.created_seconds += 100;
  const auto found = answer(marks_.sent(), {number(100, 200)});
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->kind, HighWaterMarks::Kind::kAnother);
  EXPECT_THAT(found->what, HasSubstr("the stream was made anew"));
}

TEST_F(HighWaterTest, WhatFailedOrHasNoNumberSaysNothing) {
  EXPECT_FALSE(behind({"10"}));
  auto failed = outcome("0", "1");
  failed.error_code = "InternalFailure";
  EXPECT_FALSE(marks_.answered(marks_.sent(), "s", {failed}, kNow));
  EXPECT_FALSE(behind({""}));
  EXPECT_FALSE(behind({"-1"}));
  EXPECT_FALSE(behind({std::string(1000, '1')}));
  EXPECT_EQ(mark(), "10");
}

TEST_F(HighWaterTest, ATargetThatOrdersCoarselyIsNotHeldToIt) {
  HighWaterMarks marks(false);
  EXPECT_FALSE(marks.answered(marks.sent(), "s", {outcome("0", "10")}, kNow));
  EXPECT_FALSE(marks.answered(marks.sent(), "s", {outcome("0", "9")}, kNow));
  EXPECT_EQ(marks.last("s", "", kNow)->mark.sequence_number, "10");
}

TEST_F(HighWaterTest, AtAnotherAddressNothingIsKnown) {
  marks_.move_to("http://a");
  EXPECT_FALSE(behind({"10"}));
  const auto under_way = marks_.sent();
  marks_.move_to("http://a");
  EXPECT_EQ(mark(), "10");
  marks_.move_to("http://b");
  EXPECT_EQ(mark(), "");
  EXPECT_FALSE(answer(under_way, {"11"}));
  EXPECT_EQ(mark(), "") << "it was sent to the other one";
}

TEST_F(HighWaterTest, WhatIsWrittenIsReadAgain) {
  marks_.move_to("http://a");
  EXPECT_FALSE(behind({"10"}));
  EXPECT_FALSE(behind({"12"}, "1"));
  HighWaters all{{"a", marks_.kept()}, {"\"b", {"http://b", {{{"t", "7"}, {"001", kNow}}}}}};
  log::CrashDisk disk;
  HighWaterFile file(disk, "high-water");
  EXPECT_TRUE(file.load().ok()) << "there is none";
  ASSERT_TRUE(file.store(all).ok());
  HighWaterFile again(disk, "high-water");
  ASSERT_TRUE(again.load().ok());
  EXPECT_EQ(again.of("a"), all["a"]);
  EXPECT_EQ(again.of("c"), TargetHighWater());
  HighWaterMarks restored(true);
  restored.restore(again.of("a"));
  EXPECT_EQ(restored.kept(), all["a"]);
  EXPECT_TRUE(restored.answered(restored.sent(), "s", {outcome("1", "12")}, kNow));
  EXPECT_FALSE(restored.answered(restored.sent(), "s", {outcome("1", "13")}, kNow));
}

TEST_F(HighWaterTest, WhatIsDamagedIsNotTaken) {
  const std::string text = encode({{"a", {"http://a", {{{"s", "0"}, {"10", kNow}}}}}});
  EXPECT_EQ(text.substr(text.find('\n') + 1),
            R"({"target":"a","address":"http://a","stream":"s","shard":"0","sequence":"10",)"
            R"("at":"2020-11-25T14:00:00.123Z"})"
            "\n");
  ASSERT_TRUE(decode_high_waters(text).ok());
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_FALSE(decode_high_waters(std::string_view(text).substr(0, size)).ok()) << size;
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string damaged = text;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    EXPECT_FALSE(decode_high_waters(damaged).ok()) << i;
  }
  auto newer = text;
  newer.replace(newer.find(" 1 "), 3, " 2 ");
  EXPECT_EQ(decode_high_waters(newer).error().code, ErrorCode::kUnsupported);
}

TEST_F(HighWaterTest, OfTooManyShardsTheOldestAreForgotten) {
  for (std::size_t i = 0; i <= HighWaterMarks::kShardsMax; ++i) {
    const auto at = kNow + seconds(static_cast<std::int64_t>(i));
    EXPECT_FALSE(marks_.answered(marks_.sent(), "s", {outcome(std::to_string(i), "5")}, at));
  }
  EXPECT_LT(marks_.kept().shards.size(), HighWaterMarks::kShardsMax);
  EXPECT_EQ(mark("0"), "");
  EXPECT_EQ(mark(std::to_string(HighWaterMarks::kShardsMax)), "5");
}

TEST_F(HighWaterTest, OfTooManyShardsThoseAreForgottenOfAClockThatWasWrong) {
  const auto answer_at = [this](const std::string& shard, WallTime at) {
    EXPECT_FALSE(marks_.answered(marks_.sent(), "s", {outcome(shard, "5")}, at));
  };
  answer_at("wrong", kNow + std::chrono::hours(100'000));
  for (std::size_t i = 0; i < HighWaterMarks::kShardsMax; ++i)
    answer_at(std::to_string(i), kNow + seconds(static_cast<std::int64_t>(i)));
  EXPECT_EQ(mark("wrong"), "");
  EXPECT_EQ(mark(std::to_string(HighWaterMarks::kShardsMax - 1)), "5");
}

TEST_F(HighWaterTest, ATimeAheadOfTheClockIsNotThatOfTheLastRecord) {
  const auto ahead = kNow + kClockOff + seconds(1);
  EXPECT_FALSE(is_ahead(ahead - seconds(1), kNow));
  EXPECT_TRUE(is_ahead(ahead, kNow));
  EXPECT_TRUE(is_ahead(from_millis(253'402'300'799'999), kNow)) << "the last one of RFC 3339";
  EXPECT_FALSE(marks_.answered(marks_.sent(), "s", {outcome("0", "5")}, ahead));
  EXPECT_EQ(marks_.last("s", "", kNow)->shard, "0") << "there is no other";
  EXPECT_FALSE(marks_.answered(marks_.sent(), "s", {outcome("1", "5")}, kNow));
  EXPECT_EQ(marks_.last("s", "", kNow)->shard, "1");
  EXPECT_FALSE(marks_.answered(marks_.sent(), "s", {outcome("0", "6")}, kNow + seconds(1)));
  EXPECT_EQ(marks_.last("s", "", kNow)->shard, "0");
  EXPECT_EQ(marks_.last("s", "", kNow)->mark.at, kNow + seconds(1)) << "as the clock is now";
}

TEST_F(HighWaterTest, TheLastRecordOfAStream) {
  EXPECT_FALSE(marks_.last("s", "canaries", kNow));
  EXPECT_FALSE(marks_.answered(marks_.sent(), "s", {outcome("0", "5")}, kNow));
  EXPECT_FALSE(marks_.answered(marks_.sent(), "s", {outcome("1", "4")}, kNow + seconds(1)));
  EXPECT_FALSE(marks_.answered(marks_.sent(), "t", {outcome("2", "3")}, kNow + seconds(2)));
  EXPECT_FALSE(marks_.answered(marks_.sent(), "canaries", {outcome("9", "9")}, kNow + seconds(3)));
  EXPECT_EQ(marks_.last("s", "canaries", kNow)->shard, "1");
  EXPECT_EQ(marks_.last("canaries", "canaries", kNow)->stream, "t") << "of any other stream";
  marks_.keep_only({"s", "canaries"});
  EXPECT_EQ(marks_.last("canaries", "canaries", kNow)->mark.sequence_number, "4");
}

}  // namespace
}  // namespace spillway::broker
