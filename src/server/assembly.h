// `spillway serve`, made and wired by hand: every part of a region's process.
#pragma once

#include "base/result.h"
#include "server/config.h"

namespace spillway::server {

// Serves until SIGINT or SIGTERM, then drains and stops. Prints one line to standard output when it
// serves. On the calling thread, once in a process.
Status run_region(const Config& config);

}  // namespace spillway::server
