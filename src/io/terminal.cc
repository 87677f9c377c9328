#include "io/terminal.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string_view>

namespace spillway::io {
namespace {

// In the background, reading from the terminal or changing it would stop this process (SIGTTIN,
// SIGTTOU).
bool in_foreground() { return ::tcgetpgrp(STDIN_FILENO) == ::getpgrp(); }

class TerminalKeyboard final : public Keyboard {
 public:
  explicit TerminalKeyboard(const termios& before) : before_(before) {
    termios quiet = before;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON);
    quiet.c_cc[VMIN] = 0;
    quiet.c_cc[VTIME] = 0;
    ::tcsetattr(STDIN_FILENO, TCSANOW, &quiet);
  }
  ~TerminalKeyboard() override { ::tcsetattr(STDIN_FILENO, TCSANOW, &before_); }

  std::string typed() override {
    // A shell that had the foreground meanwhile may have left the terminal to wait for lines: asked
    // first, it is read only where that doesn't wait.
    pollfd asked{STDIN_FILENO, POLLIN, 0};
    if (!in_foreground() || ::poll(&asked, 1, 0) != 1 || (asked.revents & POLLIN) == 0) return {};
    std::array<char, 256> bytes;
    const auto got = ::read(STDIN_FILENO, bytes.data(), bytes.size());
    return {bytes.data(), got > 0 ? static_cast<std::size_t>(got) : 0};
  }

 private:
  const termios before_;
};

}  // namespace

std::optional<TerminalSize> terminal_size() {
  if (::isatty(STDOUT_FILENO) == 0) return std::nullopt;
  const char* kind = std::getenv("TERM");
  if (kind == nullptr || std::string_view(kind) == "dumb") return std::nullopt;
  TerminalSize size;
  winsize window{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0 && window.ws_row > 0) {
    size.columns = window.ws_col;
    size.rows = window.ws_row;
  }
  return size;
}

std::unique_ptr<Keyboard> open_keyboard() {
  termios before{};
  if (::tcgetattr(STDIN_FILENO, &before) != 0 || !in_foreground()) return nullptr;
  return std::make_unique<TerminalKeyboard>(before);
}

}  // namespace spillway::io
