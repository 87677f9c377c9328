// `spillway serve`, made and wired by hand: every part of a region's process.
#pragma once

#include "base/result.h"
#include "server/config.h"
#include "server/reload.h"

namespace spillway::server {

// Serves until SIGINT or SIGTERM, then drains and stops; at SIGHUP `source` is read again. Prints
// one line to standard output when it serves. On the calling thread, once in a process.
Status run_region(const Config& config, const ConfigSource& source);

}  // namespace spillway::server
