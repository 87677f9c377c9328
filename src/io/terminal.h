// The terminal that this process writes to.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

namespace spillway::io {

struct TerminalSize {
  std::size_t columns = 80;
  std::size_t rows = 24;
};

// Of standard output; nullopt where that is no terminal, or one that can't move its cursor
// (TERM=dumb). Never 0 by 0.
std::optional<TerminalSize> terminal_size();

// While it exists, what is typed isn't shown, and needs no Enter.
class Keyboard {
 public:
  virtual ~Keyboard() = default;
  // The bytes typed since the last call; never waits.
  virtual std::string typed() = 0;
};
// Of the terminal that is standard input. Nullptr where there is none, or another program is in its
// foreground.
std::unique_ptr<Keyboard> open_keyboard();

}  // namespace spillway::io
