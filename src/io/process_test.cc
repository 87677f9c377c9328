#include "io/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string>

namespace spillway::io {
namespace {

// Waits for the end and gathers what was written.
ProcessEnd wait_for(ChildProcess& child, std::string& output) {
  while (!child.poll()) {
    output += child.read_output();
    ::poll(nullptr, 0, 1);
  }
  output += child.read_output();
  return *child.poll();
}

TEST(Process, GivesOutputAndExitCode) {
  auto child = spawn({"/bin/sh", "-c", "read x; echo out; echo err >&2; exit 3"});
  ASSERT_TRUE(child.ok()) << child.error().message;
  std::string output;
  const auto end = wait_for(**child, output);
  EXPECT_EQ(end.exit_code, 3);
  EXPECT_FALSE(end.clean());
  EXPECT_EQ(end.description(), "exit code 3");
  EXPECT_EQ(output, "out\nerr\n");
}

TEST(Process, SaysWhyAProgramCannotBeRun) {
  const auto missing = spawn({"/nonexistent/program"});
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().message, testing::HasSubstr("/nonexistent/program"));
  EXPECT_EQ(spawn({"/etc/passwd"}).error().code, ErrorCode::kDenied);
}

TEST(Process, SendsSignals) {
  auto child = spawn({"/bin/sleep", "1000"});
  ASSERT_TRUE(child.ok());
  EXPECT_FALSE((*child)->poll());
  (*child)->send(SIGTERM);
  std::string output;
  EXPECT_EQ(wait_for(**child, output).signal, SIGTERM);
  (*child)->send(SIGTERM);  // it may be another's id by now: nothing is sent
}

TEST(Process, RaisesTheLimitOfOpenFiles) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit low{std::min<rlim_t>(before.rlim_max - 1, 256), before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  raise_open_files_limit();
  rlimit after{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &after), 0);
  EXPECT_EQ(after.rlim_cur, before.rlim_max);
  EXPECT_EQ(after.rlim_max, before.rlim_max);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST(Process, InheritsNoDescriptor) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);  // without O_CLOEXEC
  auto child = spawn({"/bin/sh", "-c", "ls /proc/self/fd"});
  ASSERT_TRUE(child.ok());
  std::string output;
  wait_for(**child, output);
  EXPECT_EQ(output, "0\n1\n2\n3\n");  // 3: ls's own, of the directory
  close(ends[0]);
  close(ends[1]);
}

TEST(Process, IsKilledWithItsHandle) {
  auto child = spawn({"/bin/sleep", "1000"});
  ASSERT_TRUE(child.ok());
  const pid_t pid = (*child)->pid();
  child->reset();
  EXPECT_EQ(kill(pid, 0), -1);
  EXPECT_EQ(errno, ESRCH);
}

// A parent that is killed leaves no orphan: the grandchild's end of the pipe closes.
TEST(Process, EndsWhenItsParentIsKilled) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t parent = fork();
  ASSERT_GE(parent, 0);
  if (parent == 0) {
    close(ends[0]);
    auto child = spawn({"/bin/sleep", "1000"});
    const pid_t pid = child.ok() ? (*child)->pid() : 0;
    [[maybe_unused]] const auto n = write(ends[1], &pid, sizeof pid);
    pause();
    _exit(0);
  }
  close(ends[1]);
  pid_t grandchild = 0;
  ASSERT_EQ(read(ends[0], &grandchild, sizeof grandchild), ssize_t{sizeof grandchild});
  ASSERT_GT(grandchild, 0);
  kill(parent, SIGKILL);
  waitpid(parent, nullptr, 0);
  // Its new parent reaps it; the test's own time limit is the only one.
  while (kill(grandchild, 0) == 0) {
    char state = 0;
    const auto path = "/proc/" + std::to_string(grandchild) + "/stat";
    if (FILE* file = fopen(path.c_str(), "r"); file != nullptr) {
      if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1) state = 0;
      fclose(file);
    }
    if (state == 'Z') break;  // dead; in a container nobody may reap it
    ::poll(nullptr, 0, 1);
  }
  close(ends[0]);
}

TEST(Process, KnowsItsOwnPath) {
  const auto path = program_path();
  ASSERT_TRUE(path.ok());
  EXPECT_THAT(*path, testing::EndsWith("io_test"));
}

}  // namespace
}  // namespace spillway::io
