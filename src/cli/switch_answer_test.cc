#include "cli/switch_answer.h"

#include <gtest/gtest.h>

namespace spillway::cli {
namespace {

TEST(SwitchAnswer, HasWhatTheBrokerSays) {
  const auto answer = parse_switch_answer(
      R"({"broker":"edge-1","streams":["s","t\u0007"],"target":"b","held":true,"changed":true,)"
      R"("because":"drill","fault":"no disk"})");
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->broker, "edge-1");
  EXPECT_EQ(answer->streams.substr(0, 4), "s, t");
  EXPECT_EQ(answer->streams.find('\a'), std::string::npos);
  EXPECT_EQ(answer->target, "b");
  EXPECT_TRUE(answer->held && answer->changed);
  EXPECT_EQ(answer->because, "drill");
  EXPECT_EQ(answer->fault, "no disk");
}

TEST(SwitchAnswer, AnOlderBrokerHasSwitchedToo) {
  const auto answer = parse_switch_answer(
      R"({"target":"b","held":true,"changed":false,"because":"drill","fault":""})");
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->target, "b");
  EXPECT_TRUE(answer->broker.empty());
  EXPECT_TRUE(answer->streams.empty());
}

TEST(SwitchAnswer, WhatElseAnswersThereHasNot) {
  for (const std::string_view body : {"", "{}", "[]", "<html>", R"({"held":true,"changed":true})",
                                      R"({"target":"b","held":"yes","changed":true})",
                                      R"({"target":"b","held":true,"changed":true,"streams":"s"})",
                                      R"({"target":"b","held":true,"changed":true,"fault":7})"}) {
    const auto answer = parse_switch_answer(body);
    ASSERT_FALSE(answer.ok()) << body;
    EXPECT_EQ(answer.error().code, ErrorCode::kCorrupt);
  }
}

}  // namespace
}  // namespace spillway::cli
