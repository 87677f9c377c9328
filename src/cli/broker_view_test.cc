#include "cli/broker_view.h"

#include <gtest/gtest.h>

namespace spillway::cli {
namespace {

TEST(BrokerView, ShowsWhichTargetIsUsedAndHowTheyAre) {
  const auto view = broker_view(
      R"({"role":"broker","held_records":12,"used":"b","footing":"healthy","because":"a is open",)"
      R"("used_ms":5100,"targets":[{"name":"a","state":"open","reason":"refused\u001b[2J",)"
      R"("state_ms":300000,"acknowledged_records":7},)"
      R"({"name":"b","state":"closed","acknowledged_records":90}]})");
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(*view,
            "records go to b for 5 s (healthy): a is open\n"
            "12 records wait in the spool\n"
            "\n"
            "  TARGET  STATE          FOR    ACKNOWLEDGED  WHY\n"
            "  a       open         5 min               7  refused\\x1b[2J\n"
            "* b       closed           -              90  \n");
}

TEST(BrokerView, OtherAnswersAreRefused) {
  for (const auto* json : {"", "{}", R"({"role":"serve","targets":[]})", R"({"role":"broker"})"})
    EXPECT_EQ(broker_view(json).error().code, ErrorCode::kInvalid) << json;
}

}  // namespace
}  // namespace spillway::cli
