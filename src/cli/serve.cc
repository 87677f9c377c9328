// spillway serve: one region, in the foreground.
#include <cstdlib>
#include <map>

#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "io/disk.h"
#include "io/posix_disk.h"
#include "server/assembly.h"

extern char** environ;  // NOLINT(readability-redundant-declaration)

namespace spillway::cli {
namespace {

constexpr std::size_t kConfigBytesMax = std::size_t{1} << 20;

struct ServeOptions {
  std::string config_file;
  std::map<std::string, std::string> flags;  // by key of the configuration
};

std::map<std::string, std::string> environment() {
  std::map<std::string, std::string> variables;
  for (char** at = environ; *at != nullptr; ++at) {
    const std::string_view variable = *at;
    const std::size_t equals = variable.find('=');
    if (equals != std::string_view::npos)
      variables.emplace(variable.substr(0, equals), variable.substr(equals + 1));
  }
  return variables;
}

Result<server::Config> read_config(const ServeOptions& options) {
  std::string text;
  if (!options.config_file.empty()) {
    io::PosixDisk disk;
    SPILLWAY_ASSIGN(text, io::read_file(disk, options.config_file, kConfigBytesMax));
  }
  SPILLWAY_ASSIGN(auto overrides, server::overrides_from(environment()));
  for (const auto& [key, value] : options.flags) {
    if (!value.empty()) overrides.push_back({key, value, "--" + key.substr(key.find('.') + 1)});
  }
  return server::make_config(text, options.config_file, overrides);
}

int run_serve(const ServeOptions& options) {
  auto config = read_config(options);
  if (!config.ok()) return fail(config.error());
  if (auto served = server::run_region(*config); !served.ok()) return fail(served.error());
  return kExitOk;
}

}  // namespace

CommandRun declare_serve(CLI::App& app) {
  auto options = std::make_shared<ServeOptions>();
  app.add_option("--config", options->config_file, "spillway.toml");
  auto& flags = options->flags;
  app.add_option("--data", flags["serve.data"], "Where everything is stored");
  app.add_option("--listen", flags["serve.listen"], "Address of the API (127.0.0.1:4566)");
  app.add_option("--admin", flags["serve.admin"],
                 "Address of /metrics and /health (127.0.0.1:4600)");
  app.add_option("--region", flags["serve.region"], "The region's name (us-east-1)");
  app.add_option("--log-format", flags["log.format"], "text or json");
  return [options] { return run_serve(*options); };
}

}  // namespace spillway::cli
