// Subcommands. One file each, named for it (put.cc); commands.cc is the list of them all.
//
// A subcommand's declare function adds its options to `app` and returns what to run once they are
// parsed. The options live in what is returned:
//
//   CommandRun declare_put(CLI::App& app) {
//     auto options = std::make_shared<PutOptions>();
//     app.add_option("stream", options->stream, "The stream's name")->required();
//     return [options] { return run_put(*options); };
//   }
#pragma once

#include <functional>
#include <span>
#include <string_view>

#include "base/result.h"

namespace CLI {
class App;
}

namespace spillway::cli {

// Gives the process's exit code. Called at most once.
using CommandRun = std::function<int()>;

struct Command {
  std::string_view name;     // "put"
  std::string_view summary;  // one line for `spillway --help`
  CommandRun (*declare)(CLI::App& app);
};

// In the order in which the help shows them.
std::span<const Command> commands();

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;  // it was tried and didn't work; standard error says why
inline constexpr int kExitUsage = 2;   // the command line is wrong

// Says "spillway: MESSAGE" on standard error; gives kExitFailed.
int fail(const Error& error);

}  // namespace spillway::cli
