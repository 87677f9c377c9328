#include "io/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

namespace spillway::io {
namespace {

constexpr std::size_t kHostNameBytesMax = 4096;

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() { reset(); }
  int get() const { return fd_; }
  void reset() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
};

struct Pipe {
  Descriptor read;
  Descriptor write;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return Error{ErrorCode::kIo, fmt::format("pipe: {}", std::strerror(errno))};
  return Pipe{Descriptor(ends[0]), Descriptor(ends[1])};
}

// Between fork and exec: async-signal-safe calls only, since other threads may have held any lock.
// Returns only when the program can't be run.
void become(char* const* arguments, int output, pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(127);  // it died before the line above
  const int empty = ::open("/dev/null", O_RDONLY);
  if (empty < 0 || ::dup2(empty, STDIN_FILENO) < 0 || ::dup2(output, STDOUT_FILENO) < 0 ||
      ::dup2(output, STDERR_FILENO) < 0)
    return;
  ::close_range(3, UINT_MAX, CLOSE_RANGE_CLOEXEC);
  for (const int signal : {SIGPIPE, SIGINT, SIGTERM, SIGHUP}) ::signal(signal, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execv(arguments[0], arguments);
}

class PosixChild final : public ChildProcess {
 public:
  PosixChild(pid_t pid, Descriptor output) : pid_(pid), output_(std::move(output)) {}
  ~PosixChild() override {
    if (end_) return;
    ::kill(-pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

  pid_t pid() const override { return pid_; }

  void send(int signal) override {
    // The process id is ours until it has been waited for.
    if (!end_) ::kill(pid_, signal);
  }

  const std::optional<ProcessEnd>& poll() override {
    int status = 0;
    if (!end_ && ::waitpid(pid_, &status, WNOHANG) == pid_) {
      end_ = WIFSIGNALED(status) ? ProcessEnd{0, WTERMSIG(status)}
                                 : ProcessEnd{WEXITSTATUS(status), 0};
    }
    return end_;
  }

  std::string read_output() override {
    std::string text;
    char buffer[16 * 1024];
    for (;;) {
      const auto n = ::read(output_.get(), buffer, sizeof buffer);
      if (n > 0)
        text.append(buffer, static_cast<std::size_t>(n));
      else if (n == 0 || errno != EINTR)
        return text;
    }
  }

 private:
  const pid_t pid_;
  Descriptor output_;
  std::optional<ProcessEnd> end_;
};

}  // namespace

std::string ProcessEnd::description() const {
  if (signal != 0) return fmt::format("killed by signal {} ({})", signal, ::strsignal(signal));
  return fmt::format("exit code {}", exit_code);
}

Result<std::unique_ptr<ChildProcess>> spawn(const std::vector<std::string>& arguments) {
  SPILLWAY_ASSIGN(Pipe output, make_pipe());
  SPILLWAY_ASSIGN(Pipe failure, make_pipe());  // carries errno; closed unread by a successful exec
  std::vector<char*> pointers;
  pointers.reserve(arguments.size() + 1);
  for (const auto& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);

  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return Error{ErrorCode::kIo, fmt::format("fork: {}", std::strerror(errno))};
  if (child == 0) {
    become(pointers.data(), output.write.get(), parent);
    const int cause = errno;
    [[maybe_unused]] const auto n = ::write(failure.write.get(), &cause, sizeof cause);
    ::_exit(127);
  }
  output.write.reset();
  failure.write.reset();
  int cause = 0;
  ssize_t n = 0;
  while ((n = ::read(failure.read.get(), &cause, sizeof cause)) < 0 && errno == EINTR) {
  }
  if (n == sizeof cause) {
    ::waitpid(child, nullptr, 0);
    const auto code = cause == ENOENT   ? ErrorCode::kNotFound
                      : cause == EACCES ? ErrorCode::kDenied
                                        : ErrorCode::kIo;
    return Error{code, fmt::format("run {}: {}", arguments[0], std::strerror(cause))};
  }
  ::fcntl(output.read.get(), F_SETFL, O_NONBLOCK);
  return std::unique_ptr<ChildProcess>(std::make_unique<PosixChild>(child, std::move(output.read)));
}

void occupy_standard_descriptors() {
  int descriptor = 0;
  do {
    descriptor = ::open("/dev/null", O_RDWR);
  } while (descriptor >= 0 && descriptor <= STDERR_FILENO);
  if (descriptor >= 0) ::close(descriptor);
}

void raise_open_files_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

Result<std::string> host_name(Disk& disk) {
  SPILLWAY_ASSIGN(auto name, read_file(disk, "/proc/sys/kernel/hostname", kHostNameBytesMax));
  while (name.ends_with('\n')) name.pop_back();
  return name;
}

Result<std::string> program_path() {
  char path[PATH_MAX];
  const auto size = ::readlink("/proc/self/exe", path, sizeof path);
  if (size < 0 || size == sizeof path)
    return Error{ErrorCode::kIo, fmt::format("read /proc/self/exe: {}", std::strerror(errno))};
  return std::string(path, static_cast<std::size_t>(size));
}

}  // namespace spillway::io
