#include <array>

#include "cli/command.h"

namespace spillway::cli {

// Each is defined in the file of its name:
CommandRun declare_serve(CLI::App& app);

namespace {

constexpr std::array<Command, 1> kCommands = {
    Command{"serve", "Serve one region of the Kinesis API", declare_serve},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

}  // namespace spillway::cli
