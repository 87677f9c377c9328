#pragma once

#include "cli/command.h"
#include "cli/config_flags.h"

namespace spillway::cli {

// Declares the options of `spillway audit callers`; gives what runs it, by `flags` too.
CommandRun callers_command(CLI::App& app, ConfigFlags& flags);

}  // namespace spillway::cli
