#include "io/terminal.h"

#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace spillway::io {
namespace {

class EchoOff final : public TypingHidden {
 public:
  explicit EchoOff(const termios& before) : before_(before) {
    termios quiet = before;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &quiet);
  }
  ~EchoOff() override { ::tcsetattr(STDIN_FILENO, TCSANOW, &before_); }

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

std::unique_ptr<TypingHidden> hide_typing() {
  termios before{};
  // In the background, changing the terminal would stop this process (SIGTTOU).
  if (::tcgetattr(STDIN_FILENO, &before) != 0 || ::tcgetpgrp(STDIN_FILENO) != ::getpgrp())
    return nullptr;
  return std::make_unique<EchoOff>(before);
}

}  // namespace spillway::io
