// spillway broker: producers' records and this machine's telemetry into a region, in the
// foreground.
#include <filesystem>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "cli/admin_client.h"
#include "cli/broker_view.h"
#include "cli/command.h"
#include "cli/config_flags.h"
#include "cli/text_output.h"
#include "server/broker_assembly.h"

namespace spillway::cli {
namespace {

struct BrokerOptions {
  explicit BrokerOptions(CLI::App& app) : flags(app) {}
  ConfigFlags flags;
  std::vector<std::string> follow;
  bool json = false;
};

Result<server::Config> load(const BrokerOptions& options) {
  SPILLWAY_ASSIGN(auto config, options.flags.load());
  for (const auto& path : options.follow) {
    std::error_code error;
    const auto absolute = std::filesystem::absolute(path, error).lexically_normal();
    if (error) return Error{ErrorCode::kInvalid, path + ": " + error.message()};
    config.broker.files.push_back(absolute.string());
  }
  return config;
}

int run_broker(const BrokerOptions& options) {
  const auto config = load(options);
  if (!config.ok()) return fail(config.error());
  const auto ran = server::run_broker(*config, [&] { return load(options); });
  if (!ran.ok()) return fail(ran.error());
  return kExitOk;
}

int show_status(const BrokerOptions& options) {
  const auto config = options.flags.load();
  if (!config.ok()) return fail(config.error());
  const auto answer = ask_admin(config->broker.admin, "/v1/status");
  if (!answer.ok()) return fail(answer.error());
  const auto text = options.json ? answer : broker_view(*answer);
  if (!text.ok()) return fail(text.error());
  write_out(*text);
  return kExitOk;
}

}  // namespace

CommandRun declare_broker(CLI::App& app) {
  auto options = std::make_shared<BrokerOptions>(app);
  auto& flags = options->flags;
  flags.add(app, "--target", "broker.endpoint",
            "Kinesis endpoint that records are put to (http://127.0.0.1:4566); or several, the "
            "first that is well being used: a=URL,b=URL");
  flags.add(app, "--ca", "broker.ca", "https: certificates to trust, instead of the system's");
  flags.add(app, "--stream", "broker.stream", "The stream, made if missing (telemetry)");
  app.add_option("--follow", options->follow,
                 "Log files to follow, besides those of the configuration");
  flags.add(app, "--stdin", "broker.stdin_stream",
            "The stream that lines of standard input go to; the broker ends when it ends");
  flags.add(app, "--state", "broker.data", "Where the spool is kept (spillway-data/broker)");
  flags.add(app, "--listen", "broker.listen",
            "Address of the Kinesis API that producers put to (127.0.0.1:4567)");
  flags.add(app, "--admin", "broker.admin", "Address of /metrics and /health (127.0.0.1:4601)");
  flags.add(app, "--log-format", "log.format", "text or json");
  app.fallthrough();
  auto* status = app.add_subcommand("status", "How a running broker and its targets are");
  status->add_flag("--json", options->json, "As its admin port tells it");
  return
      [options, status] { return status->parsed() ? show_status(*options) : run_broker(*options); };
}

}  // namespace spillway::cli
