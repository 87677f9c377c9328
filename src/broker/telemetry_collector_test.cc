#include "broker/telemetry_collector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "io/posix_disk.h"

namespace spillway::broker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ManualClock final : public io::Clock {
 public:
  WallTime wall_now() override { return WallTime{milliseconds{1'700'000'000'000}} + elapsed; }
  MonoTime mono_now() override { return MonoTime{} + elapsed; }
  milliseconds elapsed{0};
};

class TelemetryCollectorTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/spillway-collector-XXXXXX";
    directory_ = mkdtemp(name);
    log_file_ = directory_ + "/app.log";
    options_.directory = directory_;
    options_.host_metrics = false;
    options_.files = {log_file_};
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  Result<std::unique_ptr<TelemetryCollector>> make() {
    return TelemetryCollector::make(options_, {disk_, clock_, log_, registry_, buffer_});
  }
  bool step(TelemetryCollector& collector) const {
    bool pushed = false;
    while (collector.step(pushed) == io::Step::kAgain) {
    }
    return pushed;
  }
  void write_lines(int count) const {
    std::ofstream file(log_file_, std::ios::app);
    for (int i = 0; i < count; ++i) file << "line " << i << "\n";
  }
  std::string kept_places() {
    auto text = io::read_file(disk_, directory_ + "/places", 1 << 20);
    return text.ok() ? *text : "";
  }

  io::PosixDisk disk_;
  ManualClock clock_;
  io::SilentLog log_;
  metrics::Registry registry_;
  CollectorOptions options_;
  TelemetryBuffer buffer_{"018bcfe56800-0000000000000001", "host-1", {.records = 1000}, registry_};
  std::string directory_;
  std::string log_file_;
};

TEST_F(TelemetryCollectorTest, MetricsComeEveryIntervalAndMissedOnesAreNotMadeUpFor) {
  options_.files.clear();
  options_.host_metrics = true;
  options_.interval = seconds(1);
  auto collector = make();
  ASSERT_TRUE(collector.ok());
  std::map<std::string, int> records;
  const auto collect = [&] {
    const bool pushed = step(**collector);
    const auto batch = buffer_.take();
    for (const auto& entry : batch.entries) ++records[entry.partition_key];
    buffer_.release(batch);
    return pushed;
  };
  EXPECT_TRUE(collect());
  EXPECT_FALSE(collect());
  clock_.elapsed = milliseconds(999);
  EXPECT_FALSE(collect());
  clock_.elapsed = milliseconds(1050);
  EXPECT_TRUE(collect());
  clock_.elapsed = milliseconds(2000);
  EXPECT_TRUE(collect()) << "late by 50 ms once, not from then on";
  clock_.elapsed = milliseconds(60'300);
  EXPECT_TRUE(collect());
  EXPECT_FALSE(collect());
  clock_.elapsed = milliseconds(61'000);
  EXPECT_TRUE(collect());
  EXPECT_EQ(records["memory"], 5);
}

TEST_F(TelemetryCollectorTest, LinesBecomeRecordsInTheirOrder) {
  auto collector = make();
  ASSERT_TRUE(collector.ok());
  EXPECT_FALSE(step(**collector)) << "no file yet";
  write_lines(3);
  EXPECT_TRUE(step(**collector));
  const auto batch = buffer_.take();
  ASSERT_EQ(batch.entries.size(), 3u);
  EXPECT_EQ(batch.entries[2].partition_key, "file" + log_file_);
  EXPECT_THAT(batch.entries[2].data, HasSubstr(R"("seq":3,)"));
  EXPECT_THAT(batch.entries[2].data, HasSubstr(R"("fields":{"line":"line 2"})"));
}

TEST_F(TelemetryCollectorTest, AFullBufferLeavesLinesInTheirFile) {
  write_lines(5000);
  auto collector = make();
  ASSERT_TRUE(collector.ok());
  step(**collector);
  EXPECT_EQ(buffer_.records(), 750u) << "three quarters";
  std::size_t records = 0;
  while (true) {
    const auto batch = buffer_.take();
    if (batch.empty()) break;
    records += batch.entries.size();
    buffer_.release(batch);
    step(**collector);
  }
  EXPECT_EQ(records, 5000u);
}

TEST_F(TelemetryCollectorTest, PlacesAreKeptAfterTheAcknowledgementAtMostOnceASecond) {
  write_lines(2);
  auto collector = make();
  ASSERT_TRUE(collector.ok());
  step(**collector);
  const auto batch = buffer_.take();
  clock_.elapsed = seconds(5);
  step(**collector);
  EXPECT_THAT(kept_places(), HasSubstr(" 0 " + log_file_ + "\n")) << "not acknowledged";
  buffer_.release(batch);
  step(**collector);
  EXPECT_THAT(kept_places(), HasSubstr(" 0 ")) << "less than a second after it looked last";
  clock_.elapsed = seconds(6);
  step(**collector);
  EXPECT_THAT(kept_places(), HasSubstr(" 14 " + log_file_ + "\n"));

  // The next one goes on behind.
  collector = make();
  ASSERT_TRUE(collector.ok());
  EXPECT_FALSE(step(**collector));
  write_lines(1);
  EXPECT_TRUE(step(**collector));
  EXPECT_EQ(buffer_.take().entries.size(), 1u);
}

TEST_F(TelemetryCollectorTest, PlacesThatCouldNotBeKeptAreKeptLater) {
  write_lines(1);
  auto collector = make();
  ASSERT_TRUE(collector.ok());
  step(**collector);
  buffer_.release(buffer_.take());
  std::filesystem::remove(directory_ + "/places");
  std::filesystem::create_directory(directory_ + "/places");
  EXPECT_FALSE((*collector)->save_places().ok());
  std::filesystem::remove(directory_ + "/places");
  EXPECT_TRUE((*collector)->save_places().ok());
  EXPECT_THAT(kept_places(), HasSubstr(" 7 " + log_file_));
}

// It dies before it keeps places, and who comes next finds another file under the name.
TEST_F(TelemetryCollectorTest, AFileThatIsRotatedSoonAfterItIsMetIsReadToItsEnd) {
  const auto lines = [this] {
    std::vector<std::string> all;
    const auto batch = buffer_.take();
    for (const auto& entry : batch.entries)
      all.push_back(entry.data.substr(entry.data.find(R"("line":)")));
    buffer_.release(batch);
    return all;
  };
  auto collector = make();
  ASSERT_TRUE(collector.ok());
  step(**collector);
  clock_.elapsed = milliseconds(100);
  std::ofstream(log_file_) << "a\n";
  EXPECT_TRUE(step(**collector));
  EXPECT_EQ(lines().size(), 1u);
  clock_.elapsed = milliseconds(200);
  step(**collector);
  collector->reset();
  std::ofstream(log_file_, std::ios::app) << "b\n";
  std::filesystem::rename(log_file_, log_file_ + ".1");
  std::ofstream(log_file_) << "c\n";
  collector = make();
  ASSERT_TRUE(collector.ok());
  for (int i = 0; i < 3; ++i) step(**collector);
  EXPECT_THAT(lines(), ElementsAre(R"("line":"a"}})", R"("line":"b"}})", R"("line":"c"}})"));
}

TEST_F(TelemetryCollectorTest, RefusesWhatItCannotFollowOrRead) {
  for (const std::string path :
       {"relative.log", "/with\nnewline", "/with\"quote", "/not\xffutf8"}) {
    options_.files = {path};
    EXPECT_EQ(make().error().code, ErrorCode::kInvalid) << path;
  }
  options_.files = {"/" + std::string(300, 'x')};
  EXPECT_EQ(make().error().code, ErrorCode::kInvalid);
  options_.files = {"/var/log/\xc3\xa4.log"};
  EXPECT_TRUE(make().ok());
  std::ofstream(directory_ + "/places") << "spillway file places 2\n";
  EXPECT_EQ(make().error().code, ErrorCode::kUnsupported);
  std::ofstream(directory_ + "/places") << "nonsense";
  EXPECT_EQ(make().error().code, ErrorCode::kCorrupt);
}

TEST_F(TelemetryCollectorTest, WhatItCollectsChangesWhileItRuns) {
  auto collector = make();
  ASSERT_TRUE(collector.ok());
  write_lines(1);
  step(**collector);
  options_.host_metrics = true;
  options_.interval = seconds(10);
  options_.files.clear();
  (*collector)->change(options_);
  write_lines(1);
  EXPECT_TRUE(step(**collector));
  std::map<std::string, int> records;
  for (const auto& entry : buffer_.take().entries) ++records[entry.partition_key];
  EXPECT_EQ(records["file" + log_file_], 1) << "it isn't followed any more";
  EXPECT_EQ(records["memory"], 1);
  options_.interval = seconds(1);
  (*collector)->change(options_);
  EXPECT_FALSE(step(**collector));
  clock_.elapsed = seconds(1);
  EXPECT_TRUE(step(**collector)) << "at the new interval, from the change on";
}

// Neither what was read, whether it is spooled or not, nor what came meanwhile, through a rotation.
TEST_F(TelemetryCollectorTest, AFileThatIsFollowedAgainGoesOnWhereItWasLeft) {
  auto collector = make();
  ASSERT_TRUE(collector.ok());
  write_lines(2);
  step(**collector);
  const auto follow = [&](std::vector<std::string> files) {
    options_.files = std::move(files);
    (*collector)->change(options_);
    step(**collector);
  };
  follow({});
  write_lines(3);
  std::filesystem::rename(log_file_, log_file_ + ".1");
  write_lines(4);
  follow({log_file_});
  step(**collector);
  EXPECT_EQ(buffer_.take().entries.size(), 9u);
}

// A record that has begun isn't told, nor is its place kept: the next collector reads it again,
// through a rotation, and neither loses nor doubles a line.
TEST_F(TelemetryCollectorTest, JoinedLinesAreReadAgainUntilTheyAreARecord) {
  options_.files_multiline = {log_file_ + "=line 1"};
  auto collector = make();
  ASSERT_TRUE(collector.ok());
  const auto write = [this](std::string_view text) {
    std::ofstream(log_file_, std::ios::app) << text;
  };
  const auto told = [&] {
    const auto batch = buffer_.take();
    std::string lines;
    for (const auto& entry : batch.entries)
      lines += entry.data.substr(entry.data.find(R"("fields":)")) + "\n";
    buffer_.release(batch);
    return lines;
  };
  write("line 1\n at x\nline 2\n");
  EXPECT_TRUE(step(**collector));
  EXPECT_EQ(told(), R"("fields":{"line":"line 1\u000a at x"}})"
                    "\n");
  write("at y\n");
  EXPECT_FALSE(step(**collector));
  ASSERT_TRUE((*collector)->save_places().ok());
  EXPECT_THAT(kept_places(), HasSubstr(" 13 " + log_file_ + "\n"));

  std::filesystem::rename(log_file_, log_file_ + ".1");
  write("line 3\n");
  collector = make();
  ASSERT_TRUE(collector.ok());
  EXPECT_TRUE(step(**collector));
  EXPECT_EQ(told(), R"("fields":{"line":"line 2\u000aat y"}})"
                    "\n");
  std::filesystem::rename(log_file_, log_file_ + ".1");
  clock_.elapsed += std::chrono::duration_cast<milliseconds>(LineJoiner::kWait);
  EXPECT_TRUE(step(**collector)) << "though there is no new file yet";
  EXPECT_EQ(told(), R"("fields":{"line":"line 3"}})"
                    "\n");
  write("line 4\n");
  step(**collector);
  step(**collector);
  EXPECT_EQ(told(), "");
  options_.files_multiline.clear();
  (*collector)->change(options_);
  step(**collector);
  step(**collector);
  EXPECT_EQ(told(), R"("fields":{"line":"line 4"}})"
                    "\n");
}

TEST_F(TelemetryCollectorTest, AFileThatStaysIsNotReadAgain) {
  auto collector = make();
  ASSERT_TRUE(collector.ok());
  write_lines(2);
  step(**collector);
  options_.files = {directory_ + "/other.log", log_file_, log_file_};
  (*collector)->change(options_);
  write_lines(1);
  step(**collector);
  EXPECT_EQ(buffer_.take().entries.size(), 3u);
}

}  // namespace
}  // namespace spillway::broker
