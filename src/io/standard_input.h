// Standard input without blocking the loop, whatever it is: a file, a pipe, a terminal.
#pragma once

#include <memory>
#include <string>

#include "io/event_loop.h"

namespace spillway::io {

// On the loop's thread.
class StandardInput {
 public:
  virtual ~StandardInput() = default;  // what was not answered yet never is
  // Up to 64 KiB, as soon as there is anything; empty at the end. One at a time.
  virtual void read(UniqueFunction<void(Result<std::string>)> done) = 0;
  // The read under way ends: with what was read already, or kClosed. Nothing is read after that.
  virtual void end() = 0;
};

// At most one at a time. A thread waits for the input: O_NONBLOCK, which epoll would need, would be
// set for every process that shares the terminal, and epoll takes no files.
Result<std::unique_ptr<StandardInput>> open_standard_input(EventLoop& loop);

// Whether standard input is typed by a person.
bool standard_input_is_terminal();
// Whether whoever read standard output, a pipe or a terminal, is gone.
bool standard_output_is_closed();

}  // namespace spillway::io
