#include "broker/telemetry_buffer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/telemetry_checker.h"

namespace spillway::broker {
namespace {

using testing::HasSubstr;

constexpr WallTime kNow{milliseconds{1'700'000'000'000}};
constexpr const char* kSource = "018bcfe56800-0000000000000001";

class TelemetryBufferTest : public testing::Test {
 protected:
  TelemetryBuffer make(BufferLimits limits) { return {kSource, "host-1", limits, registry_}; }

  static std::vector<TelemetryStamp> stamps(const TelemetryBatch& batch) {
    std::vector<TelemetryStamp> all;
    for (const auto& entry : batch.entries) {
      auto record = parse_record(entry.data);
      EXPECT_TRUE(record.ok()) << entry.data;
      EXPECT_EQ(entry.partition_key, record->stamp.subject);
      all.push_back(record->stamp);
    }
    return all;
  }
  // Everything that is held, as a reader gets it.
  static CheckedTotals check(TelemetryBuffer& buffer) {
    TelemetryChecker checker(kNow - seconds(60));
    for (auto batch = buffer.take(); !batch.empty(); batch = buffer.take()) {
      for (const auto& entry : batch.entries) checker.add(*parse_record(entry.data));
      buffer.release(batch);
    }
    return checker.final_totals();
  }
  static LineOrigin origin(std::uint64_t offset) { return {"/log", {7, offset}}; }

  metrics::Registry registry_;
};

TEST_F(TelemetryBufferTest, RecordsSayWhatTheyAre) {
  auto buffer = make({});
  buffer.push_metrics("cpu", R"("busy_percent":1.5)", kNow);
  const auto batch = buffer.take();
  ASSERT_EQ(batch.entries.size(), 1u);
  EXPECT_EQ(batch.entries[0].data,
            R"({"source":"018bcfe56800-0000000000000001","subject":"cpu","seq":1,)"
            R"("time":1700000000000,"host":"host-1","fields":{"busy_percent":1.5}})");
}

TEST_F(TelemetryBufferTest, EachSubjectCountsForItself) {
  auto buffer = make({});
  for (const char* subject : {"cpu", "memory", "cpu"}) buffer.push_metrics(subject, "", kNow);
  const auto all = stamps(buffer.take());
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].seq, 1u);
  EXPECT_EQ(all[1].seq, 1u);
  EXPECT_EQ(all[2].seq, 2u);
}

TEST_F(TelemetryBufferTest, TheOldestMetricsGiveWayAndTheNextRecordSaysSo) {
  auto buffer = make({.records = 10});
  for (int i = 0; i < 25; ++i) buffer.push_metrics("cpu", "", kNow);
  EXPECT_EQ(buffer.records(), 10u);
  const auto batch = buffer.take();
  const auto all = stamps(batch);
  ASSERT_EQ(all.size(), 10u);
  EXPECT_EQ(all[0].seq, 16u);
  EXPECT_EQ(all[0].dropped, 15u);
  EXPECT_THAT(registry_.prometheus_text(),
              HasSubstr("spillway_telemetry_dropped_records_total 15\n"));
}

TEST_F(TelemetryBufferTest, WhatIsBeingPutIsNeverDropped) {
  auto buffer = make({.records = 10});
  for (int i = 0; i < 10; ++i) buffer.push_metrics("cpu", "", kNow);
  const auto sent = buffer.take();
  ASSERT_EQ(sent.entries.size(), 10u);
  buffer.push_metrics("cpu", "", kNow);  // no room, and nothing older to give up
  EXPECT_EQ(buffer.records(), 10u);
  buffer.release(sent);
  buffer.push_metrics("cpu", "", kNow);
  const auto all = stamps(buffer.take());
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].seq, 12u);
  EXPECT_EQ(all[0].dropped, 1u);
}

TEST_F(TelemetryBufferTest, LinesAreNeverDroppedAndLeaveRoomForMetrics) {
  auto buffer = make({.records = 100});
  std::uint64_t offset = 0;
  while (buffer.room_for_lines() > 0) buffer.push_line("file/log", "", kNow, origin(++offset));
  EXPECT_EQ(offset, 75u);
  for (int i = 0; i < 60; ++i) buffer.push_metrics("cpu", "", kNow);
  EXPECT_EQ(buffer.records(), 100u);
  buffer.push_end(kNow);
  const auto totals = check(buffer);
  EXPECT_EQ(totals.lost, 0u);
  EXPECT_EQ(totals.doubled, 0u);
  EXPECT_EQ(totals.dropped, 35u);
  EXPECT_EQ(totals.records, 75u + 25u + 1u);
}

TEST_F(TelemetryBufferTest, HoldsAtMostItsBytesWhateverLinesHold) {
  constexpr std::size_t kBytes = std::size_t{8} << 20;
  auto buffer = make({.records = 100'000, .bytes = kBytes});
  // As long as a line may become.
  const std::string fields =
      "\"line\":\"" + std::string(6 * FileFollower::kLineBytesMax, 'x') + "\"";
  std::uint64_t lines = 0;
  while (const auto room = buffer.room_for_lines()) {
    for (std::size_t i = 0; i < room; ++i)
      buffer.push_line("file/log", fields, kNow, origin(++lines));
    EXPECT_LE(lines * fields.size(), kBytes);
  }
  EXPECT_GT(lines, 10u);
  for (int i = 0; i < 100; ++i) buffer.push_metrics("cpu", fields, kNow);
  EXPECT_LE(buffer.records() * fields.size(), kBytes);
  EXPECT_EQ(check(buffer).lost, 0u);
}

TEST_F(TelemetryBufferTest, ABatchFitsOneRequestAndSharesIt) {
  auto buffer = make({});
  for (std::uint64_t i = 0; i < 1000; ++i) {
    buffer.push_metrics("cpu", "", kNow);
    buffer.push_line("file/log", "", kNow, origin(i));
  }
  const auto batch = buffer.take();
  EXPECT_EQ(batch.entries.size(), 500u);
  std::size_t lines = 0;
  for (const auto& from : batch.origins) lines += from ? 1 : 0;
  EXPECT_EQ(lines, 500u / 2);
  const std::string large = "\"line\":\"" + std::string(300 * 1024, 'x') + "\"";
  auto other = make({});
  for (int i = 0; i < 10; ++i) other.push_metrics("cpu", large, kNow);
  EXPECT_EQ(other.take().entries.size(), 3u) << "1 MiB";
}

TEST_F(TelemetryBufferTest, PlacesAreThoseOfAcknowledgedLines) {
  auto buffer = make({});
  buffer.set_places({{"/other", {1, 1}}});
  EXPECT_EQ(buffer.changed_places(), std::nullopt);
  buffer.push_line("file/log", "", kNow, origin(10));
  buffer.push_line("file/log", "", kNow, origin(20));
  const auto batch = buffer.take();
  EXPECT_EQ(buffer.changed_places(), std::nullopt) << "not acknowledged yet";
  buffer.release(batch);
  EXPECT_EQ(buffer.changed_places(), (FilePlaces{{"/log", {7, 20}}, {"/other", {1, 1}}}));
  EXPECT_EQ(buffer.changed_places(), std::nullopt);
  EXPECT_EQ(buffer.records(), 0u);
}

TEST_F(TelemetryBufferTest, CountsWhatTheSpoolHasByItsInput) {
  auto buffer = make({.records = 10});
  for (int i = 0; i < 12; ++i) buffer.push_metrics("cpu", "", kNow);
  const InputMetrics host(registry_, "host_metrics");
  const InputMetrics files(registry_, "files");
  const auto batch = buffer.take();
  buffer.push_line("file/log", "", kNow, {"/log", {7, 5}});
  EXPECT_EQ(host.records.value(), 0u) << "not yet";
  buffer.release(batch);
  buffer.release(buffer.take());
  EXPECT_EQ(host.records.value(), 10u);
  EXPECT_EQ(host.refused.value(), 2u);
  EXPECT_EQ(files.records.value(), 1u);
}

TEST_F(TelemetryBufferTest, SubjectsAreBounded) {
  auto buffer = make({.records = 100'000});
  for (std::size_t i = 0; i < TelemetryBuffer::kSubjectsMax + 5; ++i)
    buffer.push_metrics("network/veth" + std::to_string(i), "", kNow);
  EXPECT_EQ(buffer.records(), TelemetryBuffer::kSubjectsMax);
  buffer.push_metrics("network/veth0", "", kNow);
  buffer.push_line("file/log", "", kNow, origin(1));
  EXPECT_EQ(buffer.records(), TelemetryBuffer::kSubjectsMax + 2);
}

TEST(TelemetryRecord, SourcesAreToldByTheirStart) {
  class Numbers final : public io::Entropy {
   public:
    void fill(std::span<unsigned char> out) override {
      for (auto& byte : out) byte = ++next_;
    }

   private:
    unsigned char next_ = 0;
  };
  Numbers numbers;
  const auto id = make_source_id(kNow, numbers);
  EXPECT_EQ(id, "018bcfe56800-0102030405060708");
  EXPECT_EQ(source_start(id), kNow);
  for (const char* other : {"", "x", "018bcfe5680g-0102030405060708",
                            "018bcfe568000102030405060708", "-18bcfe56800-0102030405060708"})
    EXPECT_EQ(source_start(other), std::nullopt) << other;
}

TEST(TelemetryRecord, WhatIsNoneIsTold) {
  for (const char* text :
       {"", "x", "{}", "[]", "1", R"({"source":"a","subject":"b","seq":0,"time":1})",
        R"({"source":"","subject":"b","seq":1,"time":1})",
        R"({"source":"a","subject":"b","seq":-1,"time":1})",
        R"({"source":"a","subject":"b","seq":1})",
        R"({"source":"a","subject":"b","seq":1,"time":1,"dropped":1})",
        R"({"source":"a","subject":"b","seq":1,"time":1,"dropped":"x"})"})
    EXPECT_EQ(parse_record(text).error().code, ErrorCode::kInvalid) << text;
  EXPECT_TRUE(parse_record(R"({"source":"a","subject":"b","seq":2,"time":1,"dropped":1})").ok());
}

}  // namespace
}  // namespace spillway::broker
