#include "io/standard_input.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/assert.h"
#include "io/worker.h"

namespace spillway::io {
namespace {

constexpr std::size_t kReadBytes = 64 << 10;

Error io_error(const char* doing, int number) {
  return {ErrorCode::kIo, fmt::format("{}: {}", doing, std::strerror(number))};
}

// The loop's side; outlives what its thread has posted.
struct Asked {
  UniqueFunction<void(Result<std::string>)> done;
};

class ThreadInput final : public StandardInput {
 public:
  ThreadInput(EventLoop& loop, int end_event)
      : loop_(loop),
        end_event_(end_event),
        worker_(ThreadWorkers().start({.name = "stdin"}, [this] {
          answer(read_once());
          return Step::kWait;
        })) {}

  ~ThreadInput() override {
    asked_->done = nullptr;
    end();
    worker_ = nullptr;
    ::close(end_event_);
  }

  void read(UniqueFunction<void(Result<std::string>)> done) override {
    SPILLWAY_ASSERT(!asked_->done);
    asked_->done = std::move(done);
    worker_->wake();
  }

  void end() override {
    // Can't fail: the counter is far from its end.
    const std::uint64_t one = 1;
    SPILLWAY_ASSERT(::write(end_event_, &one, sizeof one) == sizeof one);
  }

 private:
  // On the thread.
  Result<std::string> read_once() const {
    pollfd waiting[] = {{STDIN_FILENO, POLLIN, 0}, {end_event_, POLLIN, 0}};
    while (::poll(waiting, 2, -1) < 0)
      if (errno != EINTR) return io_error("wait for standard input", errno);
    if (waiting[1].revents != 0) return Error{ErrorCode::kClosed, "nobody reads it any more"};
    std::string bytes(kReadBytes, '\0');
    ssize_t got = 0;
    do {
      got = ::read(STDIN_FILENO, bytes.data(), bytes.size());
    } while (got < 0 && errno == EINTR);
    if (got < 0) return io_error("read standard input", errno);
    bytes.resize(static_cast<std::size_t>(got));
    return bytes;
  }

  void answer(Result<std::string> result) {
    loop_.post([asked = asked_, given = std::move(result)]() mutable {
      if (auto done = std::exchange(asked->done, nullptr)) done(std::move(given));
    });
  }

  EventLoop& loop_;
  const int end_event_;
  const std::shared_ptr<Asked> asked_ = std::make_shared<Asked>();
  std::unique_ptr<Worker> worker_;  // last: it uses all of the above
};

}  // namespace

Result<std::unique_ptr<StandardInput>> open_standard_input(EventLoop& loop) {
  const int end_event = ::eventfd(0, EFD_CLOEXEC);
  if (end_event < 0) return io_error("make an event", errno);
  return std::unique_ptr<StandardInput>(std::make_unique<ThreadInput>(loop, end_event));
}

bool standard_input_is_terminal() { return ::isatty(STDIN_FILENO) == 1; }

bool standard_output_is_closed() {
  pollfd output{STDOUT_FILENO, 0, 0};
  return ::poll(&output, 1, 0) == 1 && (output.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
}

}  // namespace spillway::io
