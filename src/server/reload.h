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

// The configuration read again. kInvalid, besides the source's own errors, for a file that was cut
// off: it is empty, its last line has no end, or it has no broker.targets any more.
Result<Config> read_again(const Config& running, const ConfigSource& source,
                          std::string_view table);
// `running` with what a reload changes as in `fresh`.
Config with_reloaded(Config running, const Config& fresh);
// Tells in the log which changed keys of `table` ("serve", "broker") or of "log" wait for a
// restart.
void tell_waiting(const Config& running, const Config& fresh, std::string_view table,
                  io::EventLog& log);

// All of it for a process that has nothing to plan: what was read, its log level in effect; nullopt
// where it can't be read, and the log says why.
std::optional<Config> reload(const Config& running, const ConfigSource& source,
                             std::string_view table, io::StderrLog& log);

}  // namespace spillway::server
