// `spillway broker`, made and wired by hand.
#pragma once

#include "base/result.h"
#include "server/config.h"
#include "server/reload.h"

namespace spillway::server {

// Puts this machine's telemetry into the configured stream until SIGINT or SIGTERM, then puts what
// is held. Prints one line to standard output when the first records are acknowledged, and one at
// the end; at SIGHUP `source` is read again. kIo at the end: records were still held after
// broker.drain_seconds. On the calling thread, once in a process.
Status run_broker(const Config& config, const ConfigSource& source);

}  // namespace spillway::server
