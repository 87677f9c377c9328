#include "cli/audit_switches.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include <CLI/CLI.hpp>

#include "broker/switch_log_files.h"
#include "cli/text_output.h"
#include "io/posix_disk.h"

namespace spillway::cli {
namespace {

constexpr std::string_view kSwitchLog = "switch-log";

struct Options {
  const CLI::Option* data = nullptr;  // --data of the command above
  std::string path;
  std::string head;
  bool json = false;
};

std::shared_ptr<Options> add_options(CLI::App& app) {
  auto options = std::make_shared<Options>();
  options->data = app.get_parent()->get_option("--data");
  app.add_option(
      "path", options->path,
      "A broker's data directory, its switch-log, or one file of that; otherwise --data, or "
      "broker.data");
  app.add_flag("--json", options->json, "JSON");
  return options;
}

// Where the log is: what is named may be the directory that it lies in.
Result<std::string> place_of(io::Disk& disk, const Options& options, const ConfigFlags& flags) {
  const auto data = options.data->count() > 0 ? options.data->as<std::string>() : std::string();
  if (options.path.empty() && data.empty()) {
    SPILLWAY_ASSIGN(const auto config, flags.load());
    return io::join_path(config.broker.data, kSwitchLog);
  }
  if (options.path.empty()) return io::join_path(data, kSwitchLog);
  const auto inside = disk.list(options.path);
  const bool is_data = inside.ok() && std::ranges::find(*inside, kSwitchLog) != inside->end();
  return is_data ? io::join_path(options.path, kSwitchLog) : options.path;
}

Result<broker::VerifiedLog> verify(const Options& options, const ConfigFlags& flags) {
  io::PosixDisk disk;
  SPILLWAY_ASSIGN(const auto path, place_of(disk, options, flags));
  std::optional<broker::SwitchHead> kept;
  if (!options.head.empty()) {
    auto parsed = broker::parse_switch_head(options.head);
    if (!parsed.ok()) return context("--head", std::move(parsed).error());
    kept = *parsed;
  }
  return broker::verify_switch_log(disk, path, kept);
}

std::string whole(const broker::VerifiedLog& log, const Options& options) {
  if (options.json) {
    std::string json = fmt::format(R"({{"lines":{},"first":{})", log.lines, log.first);
    append_json_member(json, "head", to_string(log.head));
    return json + "}\n";
  }
  std::string text =
      fmt::format("whole: {} lines; its head is {}\n", log.lines, to_string(log.head));
  if (log.first > 1)
    text += fmt::format("it begins with line {}: those before are not in this file\n", log.first);
  if (options.head.empty())
    text +=
        "whether lines were cut off its end, only a head that was kept elsewhere tells (--head)\n";
  return text;
}

}  // namespace

CommandRun switches_verify_command(CLI::App& app, const ConfigFlags& flags) {
  auto options = add_options(app);
  app.add_option("--head", options->head, "What `spillway audit head` said once, kept elsewhere");
  return [options, &flags] {
    const auto verified = verify(*options, flags);
    if (!verified.ok()) return fail(verified.error());
    write_out(whole(*verified, *options));
    return kExitOk;
  };
}

CommandRun switches_head_command(CLI::App& app, const ConfigFlags& flags) {
  auto options = add_options(app);
  return [options, &flags] {
    const auto verified = verify(*options, flags);
    if (!verified.ok()) return fail(verified.error());
    write_out(options->json ? whole(*verified, *options) : to_string(verified->head) + "\n");
    return kExitOk;
  };
}

}  // namespace spillway::cli
