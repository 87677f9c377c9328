#include "cli/callers_table.h"

#include <gtest/gtest.h>

namespace spillway::cli {
namespace {

constexpr std::string_view kAnswer = R"({"callers":[
{"stream":"clicks","access_key":"AKID2","agent":"KCL","peer":"10.0.0.2","first_seen_ms":1,
 "last_seen_ms":995000,"lag_ms":0,"get":{"requests":1,"records":0,"bytes":0,"last_seen_ms":1}},
{"stream":"orders","access_key":"AKID1","agent":"KPL","peer":"10.0.0.1","first_seen_ms":1,
 "last_seen_ms":1000000,"lag_ms":0,"put":{"requests":2,"records":30,"bytes":400,"last_seen_ms":1},
 "describe":{"requests":1,"records":0,"bytes":0,"last_seen_ms":1}},
{"stream":"orders","access_key":"AKID2","agent":"KCL","peer":"10.0.0.2","first_seen_ms":1,
 "last_seen_ms":1000000,"lag_ms":20,"get":{"requests":9,"records":30,"bytes":400,"last_seen_ms":1}},
{"stream":"orders","access_key":"AKID3","agent":"Boto3\u001b","peer":"::1","first_seen_ms":1,
 "last_seen_ms":0,"lag_ms":9000,"subscribe":{"requests":7,"records":20,"bytes":300,
 "last_seen_ms":1}}],"forgotten":0})";

TEST(CallersTable, TellsWhoHasNoOtherSource) {
  EXPECT_EQ(callers_table(kAnswer, "", from_millis(1'000'000)).value(),
            "STREAM  ACCESS KEY  AGENT      FROM      DOES           REQUESTS  RECORDS  BYTES  LAG "
            "     SEEN        SOURCES\n"
            "clicks  AKID2       KCL        10.0.0.2  get            1         0        0      0 "
            "ms     5 s ago     2\n"
            "orders  AKID1       KPL        10.0.0.1  put, describe  3         30       400    -   "
            "     0 s ago     -\n"
            "orders  AKID2       KCL        10.0.0.2  get            9         30       400    20 "
            "ms    0 s ago     2\n"
            "orders  AKID3       Boto3\\x1b  ::1       subscribe      7         20       300    "
            "9000 ms  16 min ago  this alone\n"
            "If orders stopped, 1 caller would have no source left.\n");
}

TEST(CallersTable, IsOfOneStreamWhereOneIsNamed) {
  const auto table = callers_table(kAnswer, "clicks", from_millis(1'000'000)).value();
  EXPECT_NE(table.find("clicks  AKID2       KCL    10.0.0.2  get   1         0        0      0 ms  "
                       "5 s ago  2\n"),
            std::string::npos)
      << table << "the other source counts";
  EXPECT_EQ(table.find("orders"), std::string::npos);
}

TEST(CallersTable, LinesAreWhatThePortSaid) {
  EXPECT_EQ(callers_lines(kAnswer, "clicks").value(),
            R"({"stream":"clicks","access_key":"AKID2","agent":"KCL","peer":"10.0.0.2",)"
            R"("first_seen_ms":1,"last_seen_ms":995000,"lag_ms":0,)"
            R"("get":{"requests":1,"records":0,"bytes":0,"last_seen_ms":1}})"
            "\n");
}

TEST(CallersTable, AnotherAnswerIsAnError) {
  for (const std::string_view answer : {"", "{}", "[]", "There is nothing here\n"})
    EXPECT_FALSE(callers_table(answer, "", from_millis(0)).ok()) << answer;
}

}  // namespace
}  // namespace spillway::cli
