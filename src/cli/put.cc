// spillway put: records from the command line or standard input, docs/put-and-tail.md.
#include <CLI/CLI.hpp>

#include "cli/api_flags.h"
#include "cli/command.h"
#include "cli/put_session.h"

namespace spillway::cli {
namespace {

// Streams that take fewer records a second than are put make put wait, not fail: about 20 s.
constexpr std::uint32_t kAttemptsMax = 12;

struct Options {
  ApiFlags api;
  PutOptions put;
};

int run_put(Options& options) {
  auto client_options = options.api.options();
  if (!client_options.ok()) return fail(client_options.error());
  options.put.client = *std::move(client_options);
  options.put.client.attempts_max = kAttemptsMax;
  options.put.client.user_agent = "spillway-put";
  return PutSession(std::move(options.put), random_seed()).run();
}

}  // namespace

CommandRun declare_put(CLI::App& app) {
  auto options = std::make_shared<Options>();
  auto& put = options->put;
  app.add_option("stream", put.stream, "The stream's name")->required();
  auto* data =
      app.add_option("data", put.data, "One record; without it each line of standard input is one");
  app.add_option("--partition-key", put.partition_key, "Of all records; otherwise random ones");
  app.add_flag("--raw", put.raw, "All of standard input is one record")->excludes(data);
  app.add_flag("--json", put.json, "One JSON object for each record that was put");
  app.add_flag("--create{1}", put.create_shards,
               "Make the stream if it is missing; --create=4 with 4 shards")
      ->check(CLI::Range(1, 100'000));
  options->api.add(app);
  return [options] { return run_put(*options); };
}

}  // namespace spillway::cli
