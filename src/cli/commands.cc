#include <array>

#include "cli/command.h"

namespace spillway::cli {

// Each is defined in the file of its name:
// CommandRun declare_put(CLI::App& app);

namespace {

constexpr std::array<Command, 0> kCommands = {
    // {"put", "Put records into a stream", declare_put},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

}  // namespace spillway::cli
