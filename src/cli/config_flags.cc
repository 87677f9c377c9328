#include "cli/config_flags.h"

#include <map>
#include <utility>

#include <CLI/CLI.hpp>

#include "io/disk.h"
#include "io/posix_disk.h"

extern char** environ;  // NOLINT(readability-redundant-declaration)

namespace spillway::cli {
namespace {

constexpr std::size_t kConfigBytesMax = std::size_t{1} << 20;

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

}  // namespace

ConfigFlags::ConfigFlags(CLI::App& app) { app.add_option("--config", file_, "spillway.toml"); }

void ConfigFlags::add(CLI::App& app, std::string flag, std::string key, const std::string& help) {
  auto& added = flags_.emplace_back(Flag{std::move(flag), std::move(key), ""});
  app.add_option(added.name, added.value, help);
}

Result<server::Config> ConfigFlags::load() const {
  std::string text;
  if (!file_.empty()) {
    io::PosixDisk disk;
    SPILLWAY_ASSIGN(text, io::read_file(disk, file_, kConfigBytesMax));
  }
  SPILLWAY_ASSIGN(auto overrides, server::overrides_from(environment()));
  for (const auto& flag : flags_)
    if (!flag.value.empty()) overrides.push_back({flag.key, flag.value, flag.name});
  SPILLWAY_ASSIGN(auto config, server::make_config(text, file_, overrides));
  if (!file_.empty()) config.file_end = server::end_of_file(text);
  return config;
}

}  // namespace spillway::cli
