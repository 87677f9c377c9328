#include <array>

#include "cli/command.h"

namespace spillway::cli {

// Each is defined in the file of its name:
CommandRun declare_audit(CLI::App& app);
CommandRun declare_bench(CLI::App& app);
CommandRun declare_broker(CLI::App& app);
CommandRun declare_doctor(CLI::App& app);
CommandRun declare_grant(CLI::App& app);
CommandRun declare_keys(CLI::App& app);
CommandRun declare_put(CLI::App& app);
CommandRun declare_serve(CLI::App& app);
CommandRun declare_streams(CLI::App& app);
CommandRun declare_switch(CLI::App& app);
CommandRun declare_tail(CLI::App& app);
CommandRun declare_up(CLI::App& app);

namespace {

constexpr std::array<Command, 12> kCommands = {
    Command{"audit", "Show what audit logs say, and whether they are whole", declare_audit},
    Command{"bench", "Put a measured load on a Kinesis endpoint", declare_bench},
    Command{"broker", "Take records, and deliver them to a region when it is there",
            declare_broker},
    Command{"doctor", "Examine the files of a region or a broker that doesn't run", declare_doctor},
    Command{"grant", "Give leave to switch ahead of time, and take it back", declare_grant},
    Command{"keys", "Make and manage the access keys of a region or a broker", declare_keys},
    Command{"put", "Put records into a stream", declare_put},
    Command{"serve", "Serve one region of the Kinesis API", declare_serve},
    Command{"streams", "List, make and delete streams", declare_streams},
    Command{"switch", "Send records of brokers to another target", declare_switch},
    Command{"tail", "Print a stream's records as they arrive", declare_tail},
    Command{"up", "Run regions, and a broker with this machine's telemetry into them", declare_up},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

}  // namespace spillway::cli
