#include "cli/up_screen.h"

#include <cstdio>

namespace spillway::cli {
namespace {

// Control sequences of xterm, which every terminal of today knows: the second screen, the cursor
// hidden, no wrapping of a line that is wider than it seems.
constexpr const char* kEnter = "\x1b[?1049h\x1b[?25l\x1b[?7l";
constexpr const char* kLeave = "\x1b[?7h\x1b[?25h\x1b[?1049l";
constexpr const char* kHome = "\x1b[H";
constexpr const char* kClearLine = "\x1b[K";
constexpr const char* kClearBelow = "\x1b[J";

void put(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

}  // namespace

UpScreen::UpScreen() : keyboard_(io::open_keyboard()) { put(kEnter); }

UpScreen::~UpScreen() { put(kLeave); }

void UpScreen::draw(const std::vector<std::string>& lines) {
  // In one piece, over what is there: it doesn't flicker. No newline behind the last line, which
  // would scroll.
  std::string text = kHome;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) text += "\r\n";
    text += lines[i];
    text += kClearLine;
  }
  text += kClearBelow;
  put(text);
}

}  // namespace spillway::cli
