#include "cli/broker_view.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace spillway::cli {
namespace {

TEST(BrokerView, ShowsWhichTargetIsUsedAndHowTheyAre) {
  const auto view = broker_view(
      R"({"role":"broker","held_records":12,"used":"b","footing":"healthy","because":"a is open",)"
      R"("used_ms":5100,"targets":[{"name":"a","state":"open","reason":"refused\u001b[2J",)"
      R"("state_ms":300000,"acknowledged_records":7,"records_per_second":0.00,)"
      R"("missing_records":83},{"name":"b","state":"closed","acknowledged_records":90,)"
      R"("records_per_second":12345.67}]})");
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(*view,
            "records go to b for 5 s (healthy): a is open\n"
            "12 records wait in the spool\n"
            "\n"
            "  TARGET  STATE          FOR  ACKNOWLEDGED     PER S    MISSING  WHY\n"
            "  a       open         5 min             7       0.0         83  refused\\x1b[2J\n"
            "* b       closed           -            90   12345.7          -  \n");
}

TEST(BrokerView, ShowsWhatInputsDoAndWhichStreamsWait) {
  const auto view = broker_view(
      R"({"role":"broker","held_records":70,"oldest_unsent_ms":125000,"targets":[],"inputs":[)"
      R"({"name":"kinesis","accepted_records":1234567,"records_per_second":150000.25,)"
      R"("refused_records":3,"malformed_records":0,"last_record_ms":400,"connections":12},)"
      R"({"name":"statsd","accepted_records":0,"records_per_second":0.00,"refused_records":0,)"
      R"("malformed_records":9}],"streams":[)"
      R"({"name":"orders","held_records":70,"oldest_unsent_ms":125000},)"
      R"({"name":"quiet","held_records":0}]})");
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(view->substr(view->find('\n') + 1),
            "70 records wait in the spool, the oldest for 2 min\n"
            "\n"
            "  INPUT             ACCEPTED     PER S   REFUSED  MALFORMED     LAST  CONNS\n"
            "  kinesis            1234567  150000.2         3          0      0 s     12\n"
            "  statsd                   0       0.0         0          9        -      -\n"
            "\n"
            "       WAITING   OLDEST  STREAM\n"
            "            70    2 min  orders\n"
            "\n"
            "  TARGET  STATE          FOR  ACKNOWLEDGED     PER S    MISSING  WHY\n");
}

TEST(BrokerView, SaysWhichInputIsClosed) {
  const auto view =
      broker_view(R"({"role":"broker","targets":[],"inputs":[{"name":"http","at":"0.0.0.0:4602",)"
                  R"("closed":"broker.http: there is no key"},{"name":"otlp"}]})");
  ASSERT_TRUE(view.ok());
  EXPECT_NE(view->find("-      -\nhttp IS CLOSED: broker.http: there is no key\n\n"),
            std::string::npos)
      << *view;
}

TEST(BrokerView, SaysWhatATargetThatWasSetBackLacks) {
  const auto view =
      broker_view(R"({"role":"broker","held_records":0,"targets":[{"name":"a","state":"closed",)"
                  R"("reason":"well","set_back":"it lacks 7","acknowledged_records":9}]})");
  ASSERT_TRUE(view.ok());
  EXPECT_TRUE(view->ends_with(
      "  a       set back         -             9       0.0          -  it lacks 7\n"))
      << *view;
}

TEST(BrokerView, SaysThatTheSpoolIsFull) {
  const auto view = broker_view(R"({"role":"broker","held_records":3,"spool_full":true,)"
                                R"("runway_ms":0,"targets":[]})");
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(view->substr(view->find('\n') + 1, 67),
            "THE SPOOL IS FULL, records are refused\n3 records wait in the spool\n");
}

TEST(BrokerView, SaysHowLongTheSpoolLasts) {
  const auto first_lines = [](std::string_view runway_ms) {
    const auto view = broker_view(fmt::format(
        R"({{"role":"broker","held_records":3,"runway_ms":{},"targets":[]}})", runway_ms));
    return view.ok() ? view->substr(0, view->find("\n\n")) : view.error().message;
  };
  EXPECT_TRUE(first_lines("119000").ends_with(
      "\n3 records wait in the spool; at the present rate it lasts 119 s if nothing is delivered"));
  EXPECT_TRUE(first_lines("90000000").ends_with("lasts 25 h if nothing is delivered"));
  EXPECT_TRUE(first_lines("864000000").ends_with("lasts 10 days if nothing is delivered"));
}

TEST(BrokerView, SaysWhoHoldsASwitchAndWhatGrantsAllow) {
  const auto behind_the_spool = [](std::string_view of) {
    const auto view = broker_view(
        fmt::format(R"({{"role":"broker","held_records":3,"switch":{},"targets":[]}})", of));
    if (!view.ok()) return view.error().message;
    const auto begin = view->find("spool\n") + 6;
    return view->substr(begin, view->find("\n\n") + 1 - begin);
  };
  EXPECT_EQ(behind_the_spool(R"({"held":false,"approval":"none","break_glass":false})"), "");
  EXPECT_EQ(
      behind_the_spool(R"({"held":true,"approval":"grant","break_glass":true,"since":"T1",)"
                       R"("by":"carol","why":"drill","own_until":"T2","grants_ending":true})"),
      "held since T1 by carol, WITHOUT A GRANT (the glass was broken): drill\n"
      "grants allow the broker to switch by itself until T2, SOON\n");
  EXPECT_EQ(behind_the_spool(R"({"held":false,"approval":"grant","refused":"no grant for b"})"),
            "no grant allows the broker to switch by itself\nno grant for b\n");
}

TEST(BrokerView, SaysThatAcknowledgedRecordsAreDropped) {
  const auto view = broker_view(
      R"({"role":"broker","held_records":3,"dropped_records":7,"gives_up":"it drops","targets":[]})");
  ASSERT_TRUE(view.ok());
  EXPECT_NE(view->find("\n3 records wait in the spool\nit drops; 7 were\n\n"), std::string::npos)
      << *view;
}

TEST(BrokerView, SaysWhatWasLeftBehind) {
  const auto view =
      broker_view(R"({"role":"broker","held_records":30,"left_behind_records":20,"targets":[]})");
  ASSERT_TRUE(view.ok());
  EXPECT_NE(
      view->find("\n30 records wait in the spool, 20 of them left behind for what came later\n"),
      std::string::npos)
      << *view;
}

TEST(BrokerView, OtherAnswersAreRefused) {
  for (const auto* json : {"", "{}", R"({"role":"serve","targets":[]})", R"({"role":"broker"})"})
    EXPECT_EQ(broker_view(json).error().code, ErrorCode::kInvalid) << json;
}

}  // namespace
}  // namespace spillway::cli
