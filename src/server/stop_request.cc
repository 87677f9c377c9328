#include "server/stop_request.h"

#include <csignal>

namespace spillway::server {

namespace {

constexpr nanoseconds kSameRequest = milliseconds(500);

}  // namespace

bool StopRequest::take(int signal, MonoTime now) {
  if (!first_) {
    first_ = now;
    return true;
  }
  if (now - *first_ >= kSameRequest) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
  return false;
}

}  // namespace spillway::server
