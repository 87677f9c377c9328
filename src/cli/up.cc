// spillway up: two regions, a broker that this machine's telemetry flows through to one of them, a
// reader of both, and a view of that.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "auth/key_file.h"
#include "cli/command.h"
#include "cli/config_flags.h"
#include "cli/up_script.h"
#include "cli/up_session.h"
#include "io/entropy.h"
#include "io/posix_disk.h"
#include "io/process.h"

namespace spillway::cli {
namespace {

struct Options {
  explicit Options(CLI::App& app) : flags(app) {}
  ConfigFlags flags;
  std::string data;
  std::string listen_b;
  std::string admin_b;
  std::string run_for;
  std::string script;
  std::vector<std::string> follow;
};

std::string absolute(const std::string& path) {
  std::error_code error;
  const auto whole = std::filesystem::absolute(path, error).lexically_normal();
  return error ? path : whole.string();
}

// "20", "20s", "5m", "1h".
Result<nanoseconds> parse_duration(const std::string& text) {
  std::size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  const std::string unit = text.substr(digits);
  const int factor = unit.empty() || unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : 0;
  const bool valid = digits > 0 && digits <= 6 && factor > 0 && std::stoll(text) > 0;
  if (!valid)
    return Error{ErrorCode::kInvalid, "--for " + text + ": write a time as in 20s, 5m or 1h"};
  return nanoseconds(seconds(std::stoll(text.substr(0, digits)) * factor));
}

// The region would refuse the broker, which would say so, and try again for ever.
Status check_keys(const server::Config& config) {
  io::PosixDisk disk;
  const auth::KeyFile file(disk, config.serve.data);
  SPILLWAY_ASSIGN(const auto stored, file.read());
  const auto& broker = config.broker;
  const auto& configured = config.serve.keys;
  if (stored.empty() && configured.empty()) return {};
  // Of two with one id the data directory's counts; its secret is sealed.
  if (const auto at = std::ranges::find(stored, broker.access_key, &auth::StoredKey::id);
      at != stored.end()) {
    if (at->enabled) return {};
    return Error{
        ErrorCode::kDenied,
        fmt::format("the key {} of broker.access_key is disabled: `spillway keys enable {} "
                    "--data {}`",
                    at->id, at->id, config.serve.data)};
  }
  if (std::ranges::any_of(configured, [&](const server::AccessKey& key) {
        return key.id == broker.access_key && key.secret == broker.secret_key;
      }))
    return {};
  return Error{
      ErrorCode::kDenied,
      fmt::format("the region has access keys ({}), and the broker none of them: `spillway keys "
                  "create broker --data {}` makes one; give it as SPILLWAY_BROKER_ACCESS_KEY and "
                  "SPILLWAY_BROKER_SECRET_KEY, or as broker.access_key and broker.secret_key in "
                  "the file of --config",
                  stored.empty() ? "[[serve.keys]]" : file.path(), config.serve.data)};
}

// What people are told: the directory of both, or each.
std::string data_text(const server::Config& config) {
  const std::filesystem::path serve = config.serve.data;
  const std::filesystem::path broker = config.broker.data;
  if (serve.parent_path() == broker.parent_path()) return serve.parent_path().string();
  return serve.string() + " and " + broker.string();
}

// Both are as [serve] says, but for where they are.
std::vector<server::ServeConfig> regions_of(const server::ServeConfig& serve,
                                            const Options& options) {
  std::vector<server::ServeConfig> regions(std::size(kUpRegions), serve);
  regions[1].data = serve.data + "-b";
  regions[1].listen = options.listen_b;
  regions[1].admin = options.admin_b;
  return regions;
}

Result<UpOptions> make_options(const Options& options) {
  UpOptions up;
  if (!options.run_for.empty()) {
    SPILLWAY_ASSIGN(up.run_for, parse_duration(options.run_for));
  }
  if (!options.script.empty()) {
    SPILLWAY_ASSIGN(up.script, parse_script(options.script));
    if (up.run_for > nanoseconds(0) && up.script.back().at >= up.run_for)
      return Error{ErrorCode::kInvalid, "--script does something after the time of --for"};
  }
  SPILLWAY_ASSIGN(up.program, io::program_path());
  SPILLWAY_ASSIGN(up.config, options.flags.load());
  auto& config = up.config;
  if (!options.data.empty()) {
    config.serve.data = options.data + "/serve";
    config.broker.data = options.data + "/broker";
  }
  config.serve.data = absolute(config.serve.data);
  up.regions = regions_of(config.serve, options);
  config.broker.data = absolute(config.broker.data);
  SPILLWAY_TRY(check_keys(config));
  up.data = data_text(config);
  up.config_file = options.flags.file();
  for (const auto& path : options.follow) up.follow.push_back(absolute(path));
  return up;
}

int run_up(const Options& options) {
  auto up = make_options(options);
  if (!up.ok()) return fail(up.error());
  io::SystemEntropy entropy;
  unsigned char seed[4];
  entropy.fill(seed);
  const Random random(std::uint64_t{seed[0]} << 24 | seed[1] << 16 | seed[2] << 8 | seed[3]);
  auto session = UpSession::make(*std::move(up), random);
  if (!session.ok()) return fail(session.error());
  return (*session)->run();
}

}  // namespace

CommandRun declare_up(CLI::App& app) {
  auto options = std::make_shared<Options>(app);
  app.add_option("--data", options->data, "Where everything is stored (spillway-data)");
  app.add_option("--for", options->run_for, "End by itself after this time: 20s, 5m, 1h");
  app.add_option("--script", options->script,
                 "What is to happen by itself: 'kill a@5s,switch b@8s,restart a@15s'");
  auto& flags = options->flags;
  flags.add(app, "--listen", "serve.listen", "Address of region a's API (127.0.0.1:4566)");
  flags.add(app, "--admin", "serve.admin", "Address of region a's /metrics (127.0.0.1:4600)");
  app.add_option("--listen-b", options->listen_b, "Address of region b's API (127.0.0.1:4568)")
      ->default_val("127.0.0.1:4568");
  app.add_option("--admin-b", options->admin_b, "Address of region b's /metrics (127.0.0.1:4608)")
      ->default_val("127.0.0.1:4608");
  flags.add(app, "--broker-admin", "broker.admin",
            "Address of the broker's /metrics (127.0.0.1:4601)");
  app.add_option("--follow", options->follow,
                 "Log files to follow, besides those of the configuration");
  return [options] { return run_up(*options); };
}

}  // namespace spillway::cli
