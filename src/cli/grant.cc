// spillway grant: leave to switch, given ahead of time, docs/failover.md.
#include <fmt/format.h>

#include <cstdio>

#include <CLI/CLI.hpp>

#include "base/rfc3339.h"
#include "broker/switch_approval.h"
#include "cli/command.h"
#include "cli/config_flags.h"
#include "cli/grant_commands.h"
#include "cli/text_output.h"
#include "cli/time_span.h"

namespace spillway::cli {
namespace {

struct Options {
  explicit Options(CLI::App& app) : flags(app) {}
  ConfigFlags flags;
  bool json = false;
  std::string key;  // file of the private one
  NewGrant grant;
  std::string life;
  bool print = false;
  std::string what;  // a text, file or id
  std::string reason;
  std::vector<std::string> approvers;
  CLI::App* keygen = nullptr;
  CLI::App* create = nullptr;
  CLI::App* add = nullptr;
  CLI::App* list = nullptr;
  CLI::App* show = nullptr;
  CLI::App* revoke = nullptr;
};

std::string json_of(const broker::Grant& grant, std::string_view status) {
  std::string json = "{";
  append_json_member(json, "id", grant.id);
  if (!status.empty()) append_json_member(json, "status", status);
  append_json_member(json, "stream", grant.stream);
  append_json_member(json, "target", grant.target);
  append_json_member(json, "holder", grant.holder);
  append_json_member(json, "not_before", rfc3339_seconds(grant.not_before));
  append_json_member(json, "not_after", rfc3339_seconds(grant.not_after));
  json += fmt::format(R"(,"once":{})", grant.once);
  append_json_member(json, "reason", grant.reason);
  append_json_member(json, "approver", broker::to_string(grant.approver));
  return json + "}\n";
}

std::string table_of(const std::vector<ListedGrant>& grants) {
  constexpr std::string_view kRow = "{:32}  {:10}  {:{}}  {:{}}  {:20}  {:20}  {:4}  {}\n";
  std::size_t stream_width = 6;
  std::size_t target_width = 6;
  for (const auto& [grant, status] : grants) {
    stream_width = std::max(stream_width, grant.stream.size());
    target_width = std::max(target_width, grant.target.size());
  }
  std::string table = fmt::format(kRow, "ID", "STATUS", "STREAM", stream_width, "TARGET",
                                  target_width, "FROM", "UNTIL", "ONCE", "HOLDER");
  for (const auto& [grant, status] : grants) {
    table += fmt::format(kRow, grant.id, status, grant.stream, stream_width, grant.target,
                         target_width, rfc3339_seconds(grant.not_before),
                         rfc3339_seconds(grant.not_after), grant.once ? "yes" : "no", grant.holder);
  }
  return table;
}

Result<std::string> shown(std::string_view text, bool json) {
  if (broker::is_revocation(text)) {
    SPILLWAY_ASSIGN(const auto revocation, broker::parse_revocation(text));
    if (json) {
      std::string object = "{";
      append_json_member(object, "revokes", revocation.grant);
      append_json_member(object, "time", rfc3339_seconds(revocation.time));
      append_json_member(object, "reason", revocation.reason);
      append_json_member(object, "approver", broker::to_string(revocation.approver));
      return object + "}\n";
    }
    return fmt::format(
        "revokes grant  {}\nat             {}\nreason         {}\nsigned by      {}\n",
        revocation.grant, rfc3339_seconds(revocation.time), printable(revocation.reason),
        broker::to_string(revocation.approver));
  }
  SPILLWAY_ASSIGN(const auto grant, broker::parse_grant(text));
  if (json) return json_of(grant, "");
  return fmt::format(
      "grant      {}\nstream     {}\ntarget     {}\nholder     {}\nfrom       {}\nuntil      {}\n"
      "for        {}\nreason     {}\nsigned by  {}\n",
      grant.id, grant.stream, grant.target, grant.holder, rfc3339_seconds(grant.not_before),
      rfc3339_seconds(grant.not_after), grant.once ? "one switch" : "any number of switches",
      printable(grant.reason), broker::to_string(grant.approver));
}

// The text, stored unless it is only to be printed.
Result<std::string> handed_over(GrantCommands& commands, const GrantRules& rules,
                                const std::string& text, bool print) {
  if (!print) {
    SPILLWAY_ASSIGN(const auto path, commands.store(text, rules));
    std::fprintf(stderr, "spillway: stored as %s\n", path.c_str());
  }
  return text + "\n";
}

// What the configuration says, where one is given; and --approver, before it.
Result<GrantRules> rules_of(const Options& options, const server::BrokerConfig& config) {
  GrantRules rules;
  for (const auto& text : options.approvers) {
    SPILLWAY_ASSIGN(const auto key, broker::parse_public_key(text));
    rules.approvers.push_back(key);
  }
  for (const auto& text : config.approvers) {
    SPILLWAY_ASSIGN(const auto approver, broker::parse_approver(text));
    if (options.approvers.empty()) rules.approvers.push_back(approver.key);
  }
  if (options.flags.file().empty() && config.targets.empty()) return rules;
  for (const auto& target : server::targets_of(config)) rules.targets.push_back(target.name);
  return rules;
}

Result<std::string> listed(GrantCommands& commands, const GrantRules& rules,
                           const Options& options) {
  std::vector<std::string> faults;
  SPILLWAY_ASSIGN(const auto grants, commands.list(rules, faults));
  if (rules.approvers.empty() && !grants.empty()) {
    faults.emplace_back(
        "who may approve isn't known here, and whose signatures these are isn't asked: --config "
        "names a file with broker.approvers, or --approver a key");
  }
  for (const auto& fault : faults) std::fprintf(stderr, "spillway: %s\n", fault.c_str());
  if (!options.json) return table_of(grants);
  std::string lines;
  for (const auto& [grant, status] : grants) lines += json_of(grant, status);
  return lines;
}

// What there is to print on standard output.
Result<std::string> run(Options& options) {
  SPILLWAY_ASSIGN(const auto config, options.flags.load());
  SPILLWAY_ASSIGN(const auto rules, rules_of(options, config.broker));
  GrantCommands commands(config.broker.data);
  if (options.keygen->parsed()) {
    SPILLWAY_ASSIGN(const auto key, commands.keygen(options.key));
    return key + "\n";
  }
  if (options.create->parsed()) {
    if (!options.life.empty()) {
      SPILLWAY_ASSIGN(options.grant.life, parse_time_span(options.life));
    }
    SPILLWAY_ASSIGN(const auto text, commands.create(options.grant, options.key));
    return handed_over(commands, rules, text, options.print);
  }
  if (options.revoke->parsed()) {
    SPILLWAY_ASSIGN(const auto text, commands.revoke(options.what, options.reason, options.key));
    return handed_over(commands, rules, text, options.print);
  }
  if (options.list->parsed()) return listed(commands, rules, options);
  SPILLWAY_ASSIGN(const auto text, commands.find(options.what));
  if (options.show->parsed()) return shown(text, options.json);
  SPILLWAY_ASSIGN(const auto path, commands.store(text, rules));
  return path + "\n";
}

int run_grant(Options& options) {
  const auto text = run(options);
  if (!text.ok()) return fail(text.error());
  write_out(*text);
  return kExitOk;
}

void declare_create(CLI::App& app, Options& options) {
  auto& grant = options.grant;
  app.add_option("--stream", grant.stream, "The stream's name, in which * and ? stand for others")
      ->required();
  app.add_option("--target", grant.target, "Likewise of the target")->required();
  app.add_option("--holder", grant.holder, "Who may use it: ed25519:KEY, or broker:NAME")
      ->required();
  app.add_option("--from", grant.from, "When it begins, as in 2020-11-25T14:00:00Z; otherwise now");
  auto* until = app.add_option("--until", grant.until, "When it ends");
  app.add_option("--for", options.life, "Or how long it holds, as in 12h or 90d")->excludes(until);
  app.add_flag("--once", grant.once, "For one switch only");
  app.add_option("--reason", grant.reason, "Why it is given")->required();
}

}  // namespace

CommandRun declare_grant(CLI::App& app) {
  auto options = std::make_shared<Options>(app);
  options->flags.add(app, "--data", "broker.data", "The broker's data directory");
  app.add_flag("--json", options->json, "JSON, of list and show");
  app.fallthrough();
  app.require_subcommand(1);
  options->keygen = app.add_subcommand("keygen", "Make a key: of an approver, or of who switches");
  options->keygen->add_option("--out", options->key, "File for the private key; must not exist")
      ->required();
  options->create = app.add_subcommand("create", "Give leave to switch: sign a grant");
  declare_create(*options->create, *options);
  options->add = app.add_subcommand("add", "Hand a grant or a revocation to a broker");
  options->add->add_option("grant", options->what, "Its text, or a file with it")->required();
  options->list = app.add_subcommand("list", "Show a broker's grants");
  options->list->add_option("--approver", options->approvers,
                            "A public key that counts; otherwise those of broker.approvers");
  options->show = app.add_subcommand("show", "What a grant or a revocation says");
  options->show->add_option("grant", options->what, "Its text, a file with it, or a grant's id")
      ->required();
  options->revoke = app.add_subcommand("revoke", "Take a grant back");
  options->revoke->add_option("id", options->what, "The grant's id")->required();
  options->revoke->add_option("--reason", options->reason, "Why it is taken back")->required();
  for (auto* command : {options->create, options->revoke}) {
    command->add_option("--key", options->key, "File with the approver's private key")->required();
    command->add_flag("--print", options->print, "Store nothing: for a broker elsewhere");
  }
  return [options] { return run_grant(*options); };
}

}  // namespace spillway::cli
