// spillway tail: a stream's records on standard output, docs/put-and-tail.md.
#include <fmt/format.h>

#include <cstdlib>

#include <CLI/CLI.hpp>

#include "cli/api_flags.h"
#include "cli/command.h"
#include "cli/config_flags.h"
#include "cli/region_list.h"
#include "cli/tail_regions.h"
#include "cli/tail_session.h"
#include "cli/time_span.h"
#include "io/clock.h"
#include "io/terminal.h"

namespace spillway::cli {
namespace {

struct Options {
  explicit Options(CLI::App& app) : config(app) {}

  ConfigFlags config;  // of several regions: the broker's targets
  ApiFlags api;
  TailOptions tail;
  std::string from;
  std::string regions;  // empty: one, at the endpoint
  std::string mode = "available";
  std::string gap_wait = "60s";
  std::string state;
};

bool colours_wanted() {
  const char* none = std::getenv("NO_COLOR");
  return io::terminal_size().has_value() && (none == nullptr || *none == '\0');
}

// The API's, at another endpoint.
Result<client::ClientOptions> client_options_of(ApiFlags api, const std::string& url) {
  api.endpoint = url;
  SPILLWAY_ASSIGN(auto options, api.options());
  options.user_agent = "spillway-tail";
  return options;
}

// A target of the broker's: reached and signed for as the broker does, but with the environment's
// keys where it has some.
Result<client::ClientOptions> client_options_of(ApiFlags api, const server::TargetConfig& target) {
  if (!target.ca->empty()) api.authority_file = *target.ca;
  api.region = *target.region;
  SPILLWAY_ASSIGN(auto options, client_options_of(std::move(api), target.endpoint));
  if (environment("AWS_ACCESS_KEY_ID", "").empty())
    options.credentials = {*target.access_key, *target.secret_key, ""};
  return options;
}

Result<RegionToTail> region_to_tail(const Options& options, const NamedRegion& region) {
  if (!region.url.empty()) {
    SPILLWAY_ASSIGN(auto client, client_options_of(options.api, region.url));
    return RegionToTail{region.name, std::move(client), region.amazon};
  }
  SPILLWAY_ASSIGN(const auto config, options.config.load());
  if (!config.broker.targets.empty()) {
    for (const auto& target : server::targets_of(config.broker)) {
      if (target.name != region.name) continue;
      SPILLWAY_ASSIGN(auto client, client_options_of(options.api, target));
      const bool own_keys = !environment("AWS_ACCESS_KEY_ID", "").empty();
      return RegionToTail{region.name, std::move(client), *target.kind == "amazon",
                          own_keys ? "" : *target.credentials};
    }
  }
  return Error{ErrorCode::kInvalid,
               fmt::format("--regions {}: that is no URL, and {}", region.name,
                           options.config.file().empty()
                               ? "no --config names the broker's targets"
                               : "no [[broker.targets]] of " + options.config.file())};
}

Result<TailRegionsOptions> regions_options(const Options& options) {
  const auto& tail = options.tail;
  TailRegionsOptions regions{.format = tail.format,
                             .from = tail.start.from,
                             .state_directory = options.state,
                             .limit = tail.limit,
                             .until_tip = tail.until_tip,
                             .wait = tail.wait};
  if (!tail.start.shard_id.empty())
    return Error{ErrorCode::kInvalid, "--from: a sequence number is of one region alone"};
  if (options.mode == "ordered") regions.mode = client::RegionsMode::kOrdered;
  SPILLWAY_ASSIGN(regions.gap_wait, parse_time_span(options.gap_wait));
  SPILLWAY_ASSIGN(const auto named, parse_regions(options.regions));
  regions.regions.reserve(named.size());
  for (const auto& region : named) {
    SPILLWAY_ASSIGN(auto read, region_to_tail(options, region));
    regions.regions.push_back(std::move(read));
  }
  return regions;
}

int run_regions(const Options& options) {
  auto regions = regions_options(options);
  if (regions.ok()) return TailRegions(*std::move(regions), random_seed()).run();
  fail(regions.error());
  return regions.error().code == ErrorCode::kInvalid ? kExitUsage : kExitFailed;
}

int run_tail(Options& options) {
  auto& tail = options.tail;
  // What a script waits for the end of is what is there.
  if (options.from.empty()) options.from = tail.until_tip ? "trim" : "latest";
  auto start = parse_tail_start(options.from, io::SystemClock().wall_now());
  if (!start.ok()) {
    fail(start.error());
    return kExitUsage;
  }
  tail.start = *std::move(start);
  tail.format.colours = !tail.format.json && colours_wanted();
  if (!options.regions.empty()) return run_regions(options);
  auto client_options = client_options_of(options.api, options.api.endpoint);
  if (!client_options.ok()) return fail(client_options.error());
  tail.client = *std::move(client_options);
  return TailSession(std::move(tail), random_seed()).run();
}

}  // namespace

CommandRun declare_tail(CLI::App& app) {
  auto options = std::make_shared<Options>(app);
  auto& tail = options->tail;
  app.add_option("stream", tail.format.stream, "The stream's name")->required();
  app.add_option("--from", options->from,
                 "trim, latest, a time (2020-11-25T14:00:00Z), how long ago (-10m), or a sequence "
                 "number; latest, with --until-tip trim");
  app.add_option("--limit", tail.limit,
                 "End after so many records; with --state at the end of an aggregate")
      ->check(CLI::Range(1, 1'000'000'000));
  app.add_flag("--until-tip", tail.until_tip, "End when all was printed that is stored now");
  app.add_flag("--json", tail.format.json, "One JSON object for each record");
  app.add_flag_callback(
      "--no-deaggregate", [&tail] { tail.format.deaggregate = false; },
      "Leave records of the Kinesis Producer Library as they are");
  app.add_flag("--wait", tail.wait, "Wait for a stream that doesn't exist");
  auto* regions = app.add_option("--regions", options->regions,
                                 "URL,URL or NAME=URL,NAME=URL, or names of --config's "
                                 "[[broker.targets]], instead of --endpoint: a stream that "
                                 "is in several regions, each record once, by its origin; "
                                 "amazon:URL where origins are in tags");
  app.add_option("--mode", options->mode,
                 "available: a record as soon as any region has it; ordered: behind what its "
                 "producer sent before it")
      ->check(CLI::IsMember({"available", "ordered"}))
      ->capture_default_str()
      ->needs(regions);
  app.add_option("--gap-wait", options->gap_wait,
                 "ordered: how long a record waits for what doesn't come")
      ->capture_default_str()
      ->needs(regions);
  app.add_option("--state", options->state,
                 "A directory that remembers what was printed, for the next time")
      ->needs(regions);
  app.get_option("--config")->needs(regions);
  options->api.add(app);
  return [options] { return run_tail(*options); };
}

}  // namespace spillway::cli
