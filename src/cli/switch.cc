// spillway switch: where brokers send records from now on, until it is released (docs/failover.md).
#include <fmt/format.h>
#include <simdjson.h>

#include <cstdlib>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "cli/admin_call.h"
#include "cli/command.h"
#include "cli/config_flags.h"
#include "cli/text_output.h"

namespace spillway::cli {
namespace {

struct SwitchOptions {
  explicit SwitchOptions(CLI::App& app) : flags(app) {}
  ConfigFlags flags;
  std::string to;
  bool release = false;
  std::string reason;
  std::string who;
  std::vector<std::string> admins;
};

std::string who_asks(const SwitchOptions& options) {
  if (!options.who.empty()) return options.who;
  const char* const user = std::getenv("USER");
  return user != nullptr && *user != '\0' ? user : "unknown";
}

std::string body_of(const SwitchOptions& options) {
  std::string json = "{\"reason\":";
  append_json_text(json, options.reason);
  append_json_member(json, "who", who_asks(options));
  if (!options.release) append_json_member(json, "to", options.to);
  return json + "}";
}

// What the broker there has done, in a line.
Result<std::string> ask(const std::string& admin, const std::string& body) {
  auto answer = call_admin(admin, "POST", "/v1/switch", body);
  if (!answer.ok()) return std::move(answer).error();
  if (answer->status != 200) {
    const auto line = answer->body.substr(0, answer->body.find('\n'));
    return Error{ErrorCode::kInvalid, fmt::format("HTTP {}: {}", answer->status, printable(line))};
  }
  simdjson::dom::parser parser;
  simdjson::dom::element done;
  std::string_view target;
  std::string_view because;
  std::string_view fault;
  bool held = false;
  bool changed = false;
  if (parser.parse(answer->body).get(done) != simdjson::SUCCESS ||
      done["target"].get(target) != simdjson::SUCCESS ||
      done["because"].get(because) != simdjson::SUCCESS ||
      done["fault"].get(fault) != simdjson::SUCCESS ||
      done["held"].get(held) != simdjson::SUCCESS ||
      done["changed"].get(changed) != simdjson::SUCCESS)
    return Error{ErrorCode::kCorrupt, "what answers there is no broker"};
  std::string line =
      fmt::format("records go to {}{}{} ({})", target.empty() ? "no target" : printable(target),
                  held ? ", until it is released" : ", as health decides",
                  changed ? "" : ", as before", printable(because));
  if (!fault.empty()) line += fmt::format("; not recorded: {}", printable(fault));
  return line;
}

int run_switch(const SwitchOptions& options) {
  if (options.release == !options.to.empty()) {
    std::fputs("spillway: say either where to (--to), or --release\n", stderr);
    return kExitUsage;
  }
  if (options.reason.empty()) {
    std::fputs("spillway: --reason is empty: say why, for whoever reads the log of switches\n",
               stderr);
    return kExitUsage;
  }
  std::vector<std::string> admins = options.admins;
  if (admins.empty()) {
    const auto config = options.flags.load();
    if (!config.ok()) return fail(config.error());
    admins.push_back(config->broker.admin);
  }
  int code = kExitOk;
  for (const auto& admin : admins) {
    const auto line = ask(admin, body_of(options));
    if (line.ok()) {
      write_out(fmt::format("{}: {}\n", admin, *line));
    } else {
      code = fail(context(admin, line.error()));
    }
  }
  return code;
}

}  // namespace

CommandRun declare_switch(CLI::App& app) {
  auto options = std::make_shared<SwitchOptions>(app);
  app.add_option("--to", options->to, "The target that records go to, until it is released");
  app.add_flag("--release", options->release, "What holds is released: health decides again");
  app.add_option("--reason", options->reason, "Why, for the log of switches")->required();
  app.add_option("--who", options->who, "Who asks for it, for the log ($USER)");
  app.add_option("--admin", options->admins,
                 "Admin address of a broker (broker.admin); may be there several times")
      ->allow_extra_args(false);
  return [options] { return run_switch(*options); };
}

}  // namespace spillway::cli
