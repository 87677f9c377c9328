// spillway tail: a stream's records on standard output, docs/put-and-tail.md.
#include <cstdlib>

#include <CLI/CLI.hpp>

#include "cli/api_flags.h"
#include "cli/command.h"
#include "cli/tail_session.h"
#include "io/clock.h"
#include "io/terminal.h"

namespace spillway::cli {
namespace {

struct Options {
  ApiFlags api;
  TailOptions tail;
  std::string from;
};

bool colours_wanted() {
  const char* none = std::getenv("NO_COLOR");
  return io::terminal_size().has_value() && (none == nullptr || *none == '\0');
}

int run_tail(Options& options) {
  auto& tail = options.tail;
  auto client_options = options.api.options();
  if (!client_options.ok()) return fail(client_options.error());
  tail.client = *std::move(client_options);
  tail.client.user_agent = "spillway-tail";
  // What a script waits for the end of is what is there.
  if (options.from.empty()) options.from = tail.until_tip ? "trim" : "latest";
  auto start = parse_tail_start(options.from, io::SystemClock().wall_now());
  if (!start.ok()) {
    fail(start.error());
    return kExitUsage;
  }
  tail.start = *std::move(start);
  tail.format.colours = !tail.format.json && colours_wanted();
  return TailSession(std::move(tail), random_seed()).run();
}

}  // namespace

CommandRun declare_tail(CLI::App& app) {
  auto options = std::make_shared<Options>();
  auto& tail = options->tail;
  app.add_option("stream", tail.format.stream, "The stream's name")->required();
  app.add_option("--from", options->from,
                 "trim, latest, a time (2020-11-25T14:00:00Z), how long ago (-10m), or a sequence "
                 "number; latest, with --until-tip trim");
  app.add_option("--limit", tail.limit, "End after so many records")
      ->check(CLI::Range(1, 1'000'000'000));
  app.add_flag("--until-tip", tail.until_tip, "End when all was printed that is stored now");
  app.add_flag("--json", tail.format.json, "One JSON object for each record");
  app.add_flag_callback(
      "--no-deaggregate", [&tail] { tail.format.deaggregate = false; },
      "Leave records of the Kinesis Producer Library as they are");
  app.add_flag("--wait", tail.wait, "Wait for a stream that doesn't exist");
  options->api.add(app);
  return [options] { return run_tail(*options); };
}

}  // namespace spillway::cli
