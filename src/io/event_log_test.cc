#include "io/event_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <thread>

namespace spillway::io {
namespace {

using testing::MatchesRegex;

constexpr char kTime[] = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z";

std::string written(LogFormat format, LogLevel lowest, std::function<void(StderrLog&)> use) {
  testing::internal::CaptureStderr();
  {
    const auto log = make_stderr_log(format, lowest);
    use(*log);
  }
  return testing::internal::GetCapturedStderr();
}

void write_one(StderrLog& log) {
  log.warning("segment written", {{"file", "a b\n\"c\""},
                                  {"shard", std::uint64_t{7}},
                                  {"delta", std::int64_t{-1}},
                                  {"ratio", 0.5},
                                  {"merged", true},
                                  {"name", "plain"}});
}

TEST(EventLog, WritesText) {
  EXPECT_THAT(written(LogFormat::kText, LogLevel::kInfo, write_one),
              MatchesRegex(std::string(kTime) +
                           " warning segment written  file=\"a b\\\\n\\\\\"c\\\\\"\"  shard=7  "
                           "delta=-1  ratio=0.5  merged=true  name=plain\n"));
}

TEST(EventLog, WritesJsonLines) {
  EXPECT_THAT(written(LogFormat::kJson, LogLevel::kInfo, write_one),
              MatchesRegex("\\{\"time\":\"" + std::string(kTime) +
                           "\",\"level\":\"warning\",\"event\":\"segment written\","
                           "\"file\":\"a b\\\\n\\\\\"c\\\\\"\",\"shard\":7,\"delta\":-1,"
                           "\"ratio\":0.5,\"merged\":true,\"name\":\"plain\"\\}\n"));
}

TEST(EventLog, LeavesOutWhatIsBelowItsLevel) {
  const auto text = written(LogFormat::kText, LogLevel::kWarning, [](StderrLog& log) {
    log.info("first");
    log.set_lowest(LogLevel::kInfo);
    log.info("second");
  });
  EXPECT_THAT(text, testing::HasSubstr("second"));
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("first")));
}

// Nobody reads standard error until everything was logged: a caller that waited would wait for
// ever.
TEST(EventLog, DropsTheOldestAndCountsThemRatherThanBlock) {
  constexpr int kLines = 20'000;
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const int saved = dup(STDERR_FILENO);
  ASSERT_GE(dup2(ends[1], STDERR_FILENO), 0);
  close(ends[1]);

  auto log = make_stderr_log(LogFormat::kText, LogLevel::kInfo);
  const std::string padding(100, 'x');
  for (std::int64_t i = 0; i < kLines; ++i)
    log->info("line", {{"number", i}, {"padding", padding}});
  const auto dropped = log->dropped();

  std::string text;
  std::thread reader([&] {
    char buffer[65536];
    for (ssize_t n = 0; (n = read(ends[0], buffer, sizeof buffer)) > 0;)
      text.append(buffer, static_cast<std::size_t>(n));
  });
  log.reset();
  dup2(saved, STDERR_FILENO);  // closes the pipe's last writing end
  close(saved);
  reader.join();
  close(ends[0]);

  EXPECT_GT(dropped, 0u);
  EXPECT_EQ(static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n')),
            kLines - dropped);
  EXPECT_THAT(text, testing::HasSubstr("number=19999"));
}

}  // namespace
}  // namespace spillway::io
