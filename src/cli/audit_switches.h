#pragma once

#include "cli/command.h"
#include "cli/config_flags.h"

namespace spillway::cli {

// `spillway audit verify` and `spillway audit head`: whether a broker's log of switches is whole.
// `flags` must outlive what is returned.
CommandRun switches_verify_command(CLI::App& app, const ConfigFlags& flags);
CommandRun switches_head_command(CLI::App& app, const ConfigFlags& flags);

}  // namespace spillway::cli
