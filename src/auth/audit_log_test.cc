#include "auth/audit_log.h"

#include <stdlib.h>

#include <filesystem>

#include "io/posix_disk.h"

namespace spillway::auth {
namespace {

// Steps when it is told to.
class ManualWorkers final : public io::Workers {
 public:
  std::unique_ptr<io::Worker> start(io::WorkerOptions, UniqueFunction<io::Step()> step) override {
    class Idle final : public io::Worker {
     public:
      void wake() override {}
    };
    step_ = std::move(step);
    return std::make_unique<Idle>();
  }
  void step() { EXPECT_EQ(step_(), io::Step::kWait); }

 private:
  UniqueFunction<io::Step()> step_;
};

class StillClock final : public io::Clock {
 public:
  WallTime wall_now() override { return from_millis(1'606'312'800'123); }
  MonoTime mono_now() override { return now; }
  MonoTime now{};
};

AuditEvent event(std::string_view request_id) {
  AuditEvent made;
  made.time = from_millis(1'606'312'800'123);
  made.request_id = request_id;
  made.access_key = "AKIDEXAMPLE";
  made.user = "alice";
  made.authenticated = true;
  made.peer = "203.0.113.9";
  made.action = "kinesis:PutRecord";
  made.resource = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
  made.outcome = AuditOutcome::kDenied;
  made.error = "AccessDeniedException";
  made.message = "User: \"alice\"\nis not authorized";
  made.user_agent = "aws-cli/2";
  return made;
}

TEST(AuditLine, IsOneLineOfJsonAndReadsBack) {
  const auto denied = event("r-1");
  EXPECT_EQ(audit_line(denied),
            R"({"v":1,"time":"2020-11-25T14:00:00.123Z","request_id":"r-1","key":"AKIDEXAMPLE",)"
            R"("user":"alice","authenticated":true,"peer":"203.0.113.9","secure":false,)"
            R"("action":"kinesis:PutRecord",)"
            R"("resource":"arn:aws:kinesis:us-east-1:000000000000:stream/s","outcome":"denied",)"
            R"("error":"AccessDeniedException",)"
            R"("message":"User: \"alice\"\u000ais not authorized","user_agent":"aws-cli/2"})");
  EXPECT_EQ(parse_audit_line(audit_line(denied)), denied);
  AuditEvent fine = event("r-2");
  fine.outcome = AuditOutcome::kOk;
  fine.error = fine.message = "";
  EXPECT_EQ(parse_audit_line(audit_line(fine)), fine);
  AuditEvent dropped;
  dropped.time = fine.time;
  dropped.dropped = 7;
  EXPECT_EQ(audit_line(dropped), R"({"v":1,"time":"2020-11-25T14:00:00.123Z","dropped":7})");
  EXPECT_EQ(parse_audit_line(audit_line(dropped)), dropped);
}

TEST(AuditLine, TakesWhateverARequestHas) {
  AuditEvent odd = event("r");
  odd.user_agent = "caf\xe9";
  odd.message = std::string(kAuditTextMax - 1, 'x') + "é and more";
  const auto read = parse_audit_line(audit_line(odd));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->user_agent, "caf\xef\xbf\xbd");
  EXPECT_EQ(read->message, std::string(kAuditTextMax - 1, 'x'));
}

TEST(AuditLine, WhatIsNoWholeLineIsNotRead) {
  const std::string line = audit_line(event("r"));
  for (std::size_t size = 0; size < line.size(); ++size)
    EXPECT_FALSE(parse_audit_line(line.substr(0, size))) << size;
  for (std::string other : {line + "x", "[]" + line}) EXPECT_FALSE(parse_audit_line(other));
  auto newer = line;
  newer.replace(newer.find(":1"), 2, ":2");
  EXPECT_FALSE(parse_audit_line(newer));
}

class AuditLogTest : public testing::Test {
 protected:
  AuditLogTest() {
    char pattern[] = "/tmp/spillway-audit-XXXXXX";
    parent_ = ::mkdtemp(pattern);
    options_.directory = parent_ + "/audit";
  }
  ~AuditLogTest() override { std::filesystem::remove_all(parent_); }

  std::unique_ptr<AuditLog> open() {
    return std::make_unique<AuditLog>(options_, disk_, clock_, workers_, metrics_, log_);
  }
  std::string text(const std::string& name) {
    return io::read_file(disk_, options_.directory + "/" + name, 1 << 20).value();
  }
  std::uint64_t counted(std::string_view name) { return metrics_.counter(name, "").value(); }

  std::string parent_;
  AuditOptions options_;
  io::PosixDisk disk_;
  StillClock clock_;
  ManualWorkers workers_;
  metrics::Registry metrics_;
  io::SilentLog log_;
};

TEST_F(AuditLogTest, WritesInOrderAndGoesOnBehindACutLine) {
  {
    auto log = open();
    log->write(event("first"));
    log->write(event("second"));
    workers_.step();
    EXPECT_EQ(text("audit.log"),
              audit_line(event("first")) + "\n" + audit_line(event("second")) + "\n");
    log->write(event("third"));  // written at the end
  }
  EXPECT_THAT(text("audit.log"), testing::EndsWith(audit_line(event("third")) + "\n"));
  {
    auto file = disk_.open(options_.directory + "/audit.log", io::OpenMode::kReadWrite).value();
    ASSERT_TRUE(file->truncate(file->size().value() - 5).ok());
  }
  open()->write(event("fourth"));
  const auto all = text("audit.log");
  EXPECT_EQ(std::ranges::count(all, '\n'), 4);
  EXPECT_THAT(all, testing::EndsWith("\n" + audit_line(event("fourth")) + "\n"));
  EXPECT_EQ(counted("spillway_audit_lines_total"), 4);
}

TEST_F(AuditLogTest, KeepsSoManyFilesOfThatSize) {
  options_.file_bytes = 1;  // each batch a file
  options_.files = 3;
  auto log = open();
  for (const char* id : {"a", "b", "c", "d"}) {
    log->write(event(id));
    workers_.step();
  }
  const auto files = audit_files(disk_, options_.directory).value();
  ASSERT_EQ(files.size(), 3u);
  EXPECT_EQ(text("audit.log.2"), audit_line(event("b")) + "\n");
  EXPECT_THAT(files[0], testing::EndsWith("/audit.log.2"));
  EXPECT_EQ(text("audit.log"), audit_line(event("d")) + "\n");
  EXPECT_THAT(files[2], testing::EndsWith("/audit.log"));
}

TEST_F(AuditLogTest, WhatFindsTheQueueFullIsCountedAndTold) {
  options_.queue_bytes = audit_line(event("a")).size() + 1;
  auto log = open();
  for (const char* id : {"a", "b", "c"}) log->write(event(id));
  workers_.step();
  log->write(event("d"));
  workers_.step();
  std::vector<std::string> seen;
  std::string all = text("audit.log");
  for (std::size_t at = 0; at < all.size(); at = all.find('\n', at) + 1) {
    const auto line = parse_audit_line(all.substr(at, all.find('\n', at) - at));
    ASSERT_TRUE(line);
    seen.push_back(line->dropped > 0 ? fmt::format("{} dropped", line->dropped) : line->request_id);
  }
  EXPECT_THAT(seen, testing::ElementsAre("a", "2 dropped", "d"));
  EXPECT_EQ(counted("spillway_audit_dropped_total"), 2);
}

TEST_F(AuditLogTest, WhoIsNotKnownCannotFillIt) {
  AuditEvent unknown = event("r");
  unknown.authenticated = false;
  unknown.access_key = std::string(kAuditTextMax, 'k');
  unknown.user_agent = std::string(kAuditTextMax, 'u');
  const auto line = parse_audit_line(audit_line(unknown)).value();
  EXPECT_EQ(line.access_key, std::string(kAuditUnknownTextMax, 'k'));
  EXPECT_EQ(line.user_agent, std::string(kAuditUnknownTextMax, 'u'));

  auto log = open();
  for (std::uint64_t i = 0; i < kAuditUnknownRate + 7; ++i) log->write(unknown);
  log->write(event("known"));
  workers_.step();
  EXPECT_EQ(counted("spillway_audit_lines_total"), kAuditUnknownRate + 1);
  EXPECT_EQ(counted("spillway_audit_dropped_total"), 7);
  EXPECT_THAT(text("audit.log"), testing::HasSubstr(audit_line(event("known"))));
  EXPECT_THAT(text("audit.log"), testing::HasSubstr(R"("dropped":7})"));
  clock_.now += seconds(1);
  log->write(unknown);
  workers_.step();
  EXPECT_EQ(counted("spillway_audit_lines_total"), kAuditUnknownRate + 2);
}

TEST_F(AuditLogTest, AFileThatCannotBeWrittenLosesLinesAndIsTriedAgain) {
  std::filesystem::create_directories(options_.directory + "/audit.log");  // in its place
  auto log = open();
  log->write(event("lost"));
  workers_.step();
  EXPECT_EQ(counted("spillway_audit_dropped_total"), 1);
  std::filesystem::remove(options_.directory + "/audit.log");
  log->write(event("kept"));
  workers_.step();
  EXPECT_THAT(text("audit.log"), testing::StartsWith(audit_line(event("kept"))));
  EXPECT_THAT(text("audit.log"), testing::HasSubstr(R"("dropped":1})"));
}

TEST_F(AuditLogTest, WithoutADirectoryThereAreNoFiles) {
  EXPECT_TRUE(audit_files(disk_, options_.directory).value().empty());
}

}  // namespace
}  // namespace spillway::auth
