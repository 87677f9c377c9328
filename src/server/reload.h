// SIGHUP: the configuration is read again, and what can change in a running process does. What is
// wrong leaves everything as it is.
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "server/config.h"

namespace spillway::server {

// Reads the configuration as at the start: file, environment and flags. On the main thread.
using ConfigSource = std::function<Result<Config>()>;

// The configuration read again, its log level in effect; nullopt where it can't be read, or is one
// that was cut off: its file is empty, or has no broker.targets any more. The log says what is
// wrong, and which changed keys of `table` ("serve", "broker") or of "log" wait for a restart.
std::optional<Config> reload(const Config& running, const ConfigSource& source,
                             std::string_view table, io::StderrLog& log);

}  // namespace spillway::server
