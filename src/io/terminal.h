// The terminal that this process writes to.
#pragma once

#include <cstddef>
#include <optional>

namespace spillway::io {

struct TerminalSize {
  std::size_t columns = 80;
  std::size_t rows = 24;
};

// Of standard output; nullopt where that is no terminal, or one that can't move its cursor
// (TERM=dumb). Never 0 by 0.
std::optional<TerminalSize> terminal_size();

}  // namespace spillway::io
