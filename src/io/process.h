// Child processes, and what a process may ask about itself.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/disk.h"

namespace spillway::io {

// How a process ended.
struct ProcessEnd {
  int exit_code = 0;  // where `signal` is 0
  int signal = 0;     // that killed it

  bool clean() const { return exit_code == 0 && signal == 0; }
  std::string description() const;  // "exit code 1", "killed by signal 9 (Killed)"
};

// One child, in a process group of its own, so that a terminal's Ctrl-C reaches its parent only. It
// gets SIGTERM from the system if the parent dies first, however the parent dies. Not thread-safe;
// the thread that spawned it must outlive it (the system takes that thread for the parent).
class ChildProcess {
 public:
  // A child that still runs is killed (SIGKILL), with what it started in its group, and waited for.
  virtual ~ChildProcess() = default;

  virtual pid_t pid() const = 0;
  // Sends `signal`; nothing where it has ended.
  virtual void send(int signal) = 0;
  // Its end, once it has ended. Never blocks.
  virtual const std::optional<ProcessEnd>& poll() = 0;
  // What it has written to standard output and error since the last call. Never blocks. The child
  // waits when 64 KiB are unread.
  virtual std::string read_output() = 0;
};

// Runs `arguments[0]` (a path). Its standard input is empty. kNotFound, kDenied or kIo when it
// can't be run.
Result<std::unique_ptr<ChildProcess>> spawn(const std::vector<std::string>& arguments);

// Opens /dev/null in the place of closed standard descriptors: the next file opened would get their
// number, and what is printed would go into it. First thing in main().
void occupy_standard_descriptors();

// Lets this process open as many files and connections as the system lets it ask for: shells and
// service managers set the soft limit to 1,024 for programs that call select(), which would leave
// no descriptor for files once as many clients are connected. Children inherit it. Where it can't
// be raised it stays as it is.
void raise_open_files_limit();

// This machine's name, as the system has it.
Result<std::string> host_name(Disk& disk);

// The path of this program.
Result<std::string> program_path();

}  // namespace spillway::io
