#include <sys/random.h>

#include <cerrno>

#include "base/assert.h"
#include "io/entropy.h"

namespace spillway::io {

void SystemEntropy::fill(std::span<unsigned char> out) {
  while (!out.empty()) {
    const ssize_t got = ::getrandom(out.data(), out.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    SPILLWAY_ASSERT(got > 0);  // it fails only where the system has no entropy source at all
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

}  // namespace spillway::io
