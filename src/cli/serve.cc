// spillway serve: one region, in the foreground.
#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/config_flags.h"
#include "server/assembly.h"

namespace spillway::cli {
namespace {

int run_serve(const ConfigFlags& flags) {
  auto config = flags.load();
  if (!config.ok()) return fail(config.error());
  if (auto served = server::run_region(*config, [&] { return flags.load(); }); !served.ok())
    return fail(served.error());
  return kExitOk;
}

}  // namespace

CommandRun declare_serve(CLI::App& app) {
  auto flags = std::make_shared<ConfigFlags>(app);
  flags->add(app, "--data", "serve.data", "Where everything is stored (spillway-data/serve)");
  flags->add(app, "--listen", "serve.listen", "Address of the API (127.0.0.1:4566)");
  flags->add(app, "--admin", "serve.admin", "Address of /metrics and /health (127.0.0.1:4600)");
  flags->add(app, "--region", "serve.region", "The region's name (us-east-1)");
  flags->add(app, "--limits", "serve.limits", "none or aws (none)");
  flags->add(app, "--log-format", "log.format", "text or json");
  return [flags] { return run_serve(*flags); };
}

}  // namespace spillway::cli
