#include "cli/receipt_view.h"

#include <gtest/gtest.h>

namespace spillway::cli {
namespace {

TEST(ReceiptView, ShowsWhatIsOpen) {
  const auto view = receipt_view(
      R"({"id":7,"time":"2020-11-25T14:00:00.123Z","action":"switch","from":"a","to":"b",)"
      R"("who":"carol","reason":"a\u001b[2J is impaired","resolved":false,"in_use":true,)"
      R"("in_flight":{"records":80,"open":0,"acknowledged":30,"sent_twice":80,)"
      R"("resolved":"2020-11-25T14:00:01.000Z"},)"
      R"("spool":{"records":0,"open":0,"resolved":"2020-11-25T14:00:00.123Z"},)"
      R"("old_only":{"records":100,"open":100,"missed_for_good":40},)"
      R"("new_only":{"records":200,"open":50,"missed_for_good":0},)"
      R"("shards":[{"stream":"orders","shard":3,"in_flight":{"open":0},"spool":{"open":0},)"
      R"("old_only":{"open":100},"new_only":{"open":50}}]})");
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(
      *view,
      "switch 7: from a to b, 2020-11-25T14:00:00.123Z, by carol\n"
      "a\\x1b[2J is impaired\n"
      "\n"
      "                                                   RECORDS        OPEN        GONE  "
      "RESOLVED\n"
      "  in flight to a                                        80           0           0  "
      "2020-11-25T14:00:01.000Z\n"
      "  in the spool alone                                     0           0           0  -\n"
      "  a has, b lacks                                       100         100          40  open\n"
      "  b has since, a lacks                                 200          50           0  open\n"
      "\n"
      "80 were sent twice; a had acknowledged 30 of them\n"
      "GONE: no longer in the spool, so they won't be sent there any more\n"
      "\n"
      "open, by shard of the spool\n"
      "  STREAM  SHARD  IN FLIGHT       SPOOL    OLD ONLY    NEW ONLY\n"
      "  orders      3          0           0         100          50\n");
}

TEST(ReceiptView, ListsThem) {
  EXPECT_EQ(*receipt_list_view(R"({"receipts":[]})"), "no switch was made so far\n");
  EXPECT_EQ(
      *receipt_list_view(
          R"({"receipts":[{"id":7,"time":"2020-11-25T14:00:00.123Z","action":"return",)"
          R"("from":"b","to":"a","who":"broker:edge","reason":"a is well","resolved":true}]})"),
      "   7  2020-11-25T14:00:00.123Z  return  b to a  resolved  by broker:edge: a is well\n");
}

TEST(ReceiptView, OtherAnswersAreRefused) {
  for (const auto* json : {"", "{}", R"({"receipts":1})", R"({"in_flight":{}})"}) {
    EXPECT_EQ(receipt_view(json).error().code, ErrorCode::kInvalid) << json;
    EXPECT_EQ(receipt_list_view(json).error().code, ErrorCode::kInvalid) << json;
  }
}

}  // namespace
}  // namespace spillway::cli
