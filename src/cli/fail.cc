#include <cstdio>

#include "cli/command.h"

namespace spillway::cli {

int fail(const Error& error) {
  std::fprintf(stderr, "spillway: %s\n", error.message.c_str());
  return kExitFailed;
}

}  // namespace spillway::cli
