#include "cli/tail_printer.h"

#include <gtest/gtest.h>

#include <vector>

#include "wire/aggregate.h"

namespace spillway::cli {
namespace {

constexpr const char* kShard = "shardId-000000000012";

std::string text_of(const TailFormat& format, const std::string& shard, std::string data,
                    std::uint64_t most = 100) {
  std::uint64_t lines = 0;
  return tail_text(format, shard, {"496", "host\n1", std::move(data), from_millis(1606312800123)},
                   most, lines);
}

TEST(TailPrinter, LinesForPeople) {
  TailFormat format{.stream = "telemetry"};
  EXPECT_EQ(text_of(format, kShard, R"({"cpu": 3})"),
            "2020-11-25T14:00:00.123Z shard-12 host\\n1  {\"cpu\": 3}\n");
  EXPECT_EQ(text_of(format, "odd\x1b", "\x1b[2J"),
            "2020-11-25T14:00:00.123Z odd\\x1b host\\n1  \\x1b[2J\n");
  format.colours = true;
  EXPECT_EQ(text_of(format, kShard, "x"),
            "\x1b[2m2020-11-25T14:00:00.123Z\x1b[0m \x1b[36mshard-12\x1b[0m "
            "\x1b[33mhost\\n1\x1b[0m  x\n");
}

TEST(TailPrinter, Json) {
  const TailFormat format{.stream = "telemetry", .json = true};
  const std::string begin =
      R"({"stream":"telemetry","shard":"shardId-000000000012","sequence_number":"496",)"
      R"("partition_key":"host\u000a1","arrival":"2020-11-25T14:00:00.123Z",)";
  EXPECT_EQ(text_of(format, kShard, "a \"b\""), begin + R"("data":"a \"b\""})" + "\n");
  EXPECT_EQ(text_of(format, kShard, "\xff\x01"), begin + R"("data_base64":"/wE="})" + "\n");
}

TEST(TailPrinter, Aggregates) {
  const std::vector<wire::UserRecord> parts{{"k1", "one", {}}, {"k2", "two", {}}};
  const auto aggregate = wire::make_aggregate(parts);
  TailFormat format{.stream = "s", .json = true};
  const auto text = text_of(format, kShard, aggregate);
  EXPECT_NE(text.find(R"("sub_sequence_number":0,"partition_key":"k1",)"), std::string::npos);
  EXPECT_NE(text.find(R"("sub_sequence_number":1,"partition_key":"k2",)"), std::string::npos);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
  EXPECT_EQ(text.find("k2"), text.rfind("k2"));
  const auto one = text_of(format, kShard, aggregate, 1);
  EXPECT_EQ(one, text.substr(0, one.size())) << "no more lines than asked for";
  EXPECT_EQ(std::count(one.begin(), one.end(), '\n'), 1);
  format.deaggregate = false;
  EXPECT_NE(text_of(format, kShard, aggregate).find("data_base64"), std::string::npos);
}

TEST(TailPrinter, OfSeveralRegions) {
  client::Record record{"496", "host-1", "x", from_millis(1606312800123)};
  record.origin = {.producer = {0xab}, .lane = 143, .sequence = 17, .previous = 15};
  TailRegion region{.name = "a"};
  TailFormat format{.stream = "telemetry"};
  std::uint64_t lines = 0;
  const auto text = [&] { return tail_text(format, kShard, record, 100, lines, &region); };
  EXPECT_EQ(text(), "2020-11-25T14:00:00.123Z a shard-12 host-1  x\n");
  region.late = true;
  EXPECT_EQ(text(), "2020-11-25T14:00:00.123Z a shard-12 host-1 late  x\n");
  format.json = true;
  EXPECT_EQ(text(), R"({"stream":"telemetry","region":"a","shard":"shardId-000000000012",)"
                    R"("sequence_number":"496","partition_key":"host-1",)"
                    R"("arrival":"2020-11-25T14:00:00.123Z",)"
                    R"("origin":{"producer":"ab000000000000000000000000000000","lane":143,)"
                    R"("sequence":"17","previous":"15"},"late":true,"data":"x"})"
                    "\n");
}

}  // namespace
}  // namespace spillway::cli
