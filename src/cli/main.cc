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

// "spillway: keys has no command …", where a command has commands and got another one.
std::string unknown_subcommand(const CLI::App& app) {
  for (const auto* command : app.get_subcommands()) {
    const auto subs = command->get_subcommands([](const CLI::App*) { return true; });
    const auto rest = app.remaining(true);  // what falls through
    if (command->get_require_subcommand_min() == 0 || !command->get_subcommands().empty() ||
        rest.empty() || rest.front().starts_with('-'))
      continue;
    std::vector<std::string> names;
    names.reserve(subs.size());
    for (const auto* sub : subs) names.push_back(sub->get_name());
    const std::vector<std::string_view> views(names.begin(), names.end());
    return "spillway: " + command->get_name() + " has no command \"" + rest.front() + "\"" +
           did_you_mean(rest.front(), views) + "\n";
  }
  return {};
}

// "spillway: serve has no option …", where an option was written that the command doesn't have.
std::string unknown_option(const CLI::App& app) {
  const auto* command = &app;
  std::string path;
  while (!command->get_subcommands().empty()) {
    command = command->get_subcommands().front();
    path += (path.empty() ? "" : " ") + command->get_name();
  }
  const auto rest = app.remaining(true);
  const auto written = std::ranges::find_if(
      rest, [](const std::string& word) { return word.size() > 2 && word.starts_with("--"); });
  if (path.empty() || written == rest.end()) return {};
  std::vector<std::string> names;
  for (const auto* option : command->get_options())
    for (const auto& name : option->get_lnames()) names.push_back("--" + name);
  const std::vector<std::string_view> views(names.begin(), names.end());
  const auto wrong = written->substr(0, written->find('='));
  return "spillway: " + path + " has no option \"" + wrong + "\"" + did_you_mean(wrong, views) +
         "\nRun with --help for more information.\n";
}

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
  if (argc == 2 && std::string_view(argv[1]) == "help") {
    std::fputs(app.help().c_str(), stdout);
    return kExitOk;
  }
  if (argc > 1 && argv[1][0] != '-' && std::ranges::find(names, argv[1]) == names.end()) {
    std::fprintf(stderr, "spillway: there is no command \"%s\"%s\n", argv[1],
                 did_you_mean(argv[1], names).c_str());
    return kExitUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    for (const auto& wrong : {unknown_subcommand(app), unknown_option(app)}) {
      if (wrong.empty()) continue;
      std::fputs(wrong.c_str(), stderr);
      return kExitUsage;
    }
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
  spillway::io::raise_open_files_limit();
  // A peer or a reader of our output that went away is an error of the write, not our end.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error of its write
  return spillway::cli::run(argc, argv);
}
