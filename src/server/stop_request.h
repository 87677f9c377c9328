// SIGINT and SIGTERM of a process that ends in order, but not for somebody who can't wait.
#pragma once

#include <optional>

#include "io/clock.h"

namespace spillway::server {

// On one thread.
class StopRequest {
 public:
  bool made() const { return first_.has_value(); }

  // Whether it is the first. A further one, half a second later or more, ends the process at once,
  // as a signal does that nobody handles: what was acknowledged is durable. One that comes sooner
  // is passed over: it is the same Ctrl-C, which a terminal and `sudo` or `timeout` both sent.
  bool take(int signal, MonoTime now);

 private:
  std::optional<MonoTime> first_;
};

}  // namespace spillway::server
