#pragma once

#include "cli/command.h"

namespace spillway::cli {

// Declares the options of `spillway audit callers`; gives what runs it.
CommandRun callers_command(CLI::App& app);

}  // namespace spillway::cli
