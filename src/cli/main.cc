// spillway COMMAND: finds the command in the list, lets it declare its options, parses, runs.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/nearest_name.h"
#include "base/version.h"
#include "cli/command.h"
#include "io/process.h"

namespace spillway::cli {
namespace {

int run(int argc, char** argv) {
  CLI::App app("Spillway: a Kinesis-compatible durable event pipeline.", "spillway");
  app.set_version_flag("--version", "spillway " + std::string(version()));
  app.set_help_flag("-h,--help", "Show this help and leave");
  app.require_subcommand(1);

  std::vector<std::pair<CLI::App*, CommandRun>> declared;
  for (const auto& command : commands()) {
    auto* sub = app.add_subcommand(std::string(command.name), std::string(command.summary));
    declared.emplace_back(sub, command.declare(*sub));
  }
  std::vector<std::string_view> names;
  for (const auto& command : commands()) names.push_back(command.name);
  if (argc > 1 && argv[1][0] != '-' && std::ranges::find(names, argv[1]) == names.end()) {
    std::fprintf(stderr, "spillway: there is no command \"%s\"; did you mean \"%s\"?\n", argv[1],
                 std::string(nearest_name(argv[1], names)).c_str());
    return kExitUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // app.exit() prints what was asked for (help, version) or what is wrong.
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  for (const auto& [sub, command] : declared)
    if (sub->parsed()) return command();
  return kExitUsage;
}

}  // namespace
}  // namespace spillway::cli

int main(int argc, char** argv) {
  spillway::io::occupy_standard_descriptors();
  // A peer or a reader of our output that went away is an error of the write, not our end.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error of its write
  return spillway::cli::run(argc, argv);
}
