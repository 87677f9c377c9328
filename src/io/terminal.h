// The terminal that this process writes to.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>

namespace spillway::io {

struct TerminalSize {
  std::size_t columns = 80;
  std::size_t rows = 24;
};

// Of standard output; nullopt where that is no terminal, or one that can't move its cursor
// (TERM=dumb). Never 0 by 0.
std::optional<TerminalSize> terminal_size();

// While it exists, what is typed isn't shown. Nullptr where there is no terminal to type at, or
// another program is in its foreground.
class TypingHidden {
 public:
  virtual ~TypingHidden() = default;
};
std::unique_ptr<TypingHidden> hide_typing();

}  // namespace spillway::io
