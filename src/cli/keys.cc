// spillway keys: the access keys of a region, docs/access.md.
#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <CLI/CLI.hpp>

#include "base/rfc3339.h"
#include "cli/command.h"
#include "cli/config_flags.h"
#include "cli/key_commands.h"
#include "cli/text_output.h"
#include "cli/time_span.h"

namespace spillway::cli {
namespace {

constexpr seconds kSessionLife{3600};  // where --expires doesn't say
constexpr std::uint64_t kRequestsPerSecondMax = 1'000'000;
constexpr std::uint64_t kBytesPerSecondMax = 1'000'000'000'000;

struct Options {
  explicit Options(CLI::App& app) : flags(app) {}
  ConfigFlags flags;
  bool json = false;
  NewKey key;
  std::string id;
  std::string expires;
  std::string grace = "0s";
  bool everything = false;
  CLI::App* create = nullptr;
  CLI::App* list = nullptr;
  CLI::App* disable = nullptr;
  CLI::App* enable = nullptr;
  CLI::App* remove = nullptr;
  CLI::App* rotate = nullptr;
  CLI::App* policy = nullptr;
  CLI::App* import = nullptr;
};

std::string status_of(const auth::StoredKey& key, WallTime now) {
  if (!key.enabled) return "disabled";
  return key.expires_at && *key.expires_at <= now ? "expired" : "enabled";
}

std::string expiry_of(const auth::StoredKey& key) {
  return key.expires_at ? rfc3339_seconds(*key.expires_at) : "never";
}

std::string json_of(const auth::StoredKey& key, WallTime now) {
  std::string json = "{";
  append_json_member(json, "id", key.id);
  append_json_member(json, "holder", key.holder);
  append_json_member(json, "status", status_of(key, now));
  append_json_member(json, "created", rfc3339_seconds(key.created_at));
  if (key.expires_at) append_json_member(json, "expires", expiry_of(key));
  json += fmt::format(R"(,"temporary":{})", !key.wrapped_token.empty());
  if (!key.wrapped_previous.empty() && key.previous_until > now)
    append_json_member(json, "old_secret_until", rfc3339_seconds(key.previous_until));
  if (!key.policy.empty()) append_json_member(json, "policy", key.policy);
  if (key.limits.requests_per_second > 0)
    json += fmt::format(R"(,"requests_per_second":{})", key.limits.requests_per_second);
  if (key.limits.bytes_per_second > 0)
    json += fmt::format(R"(,"bytes_per_second":{})", key.limits.bytes_per_second);
  return json + "}\n";
}

std::string table_of(const std::vector<auth::StoredKey>& keys, WallTime now) {
  std::size_t id_width = 2;
  std::size_t holder_width = 6;
  for (const auto& key : keys) {
    id_width = std::max(id_width, key.id.size());
    holder_width = std::max(holder_width, key.holder.size());
  }
  constexpr std::string_view kRow = "{:{}}  {:{}}  {:8}  {:20}  {:20}  {}\n";
  std::string table = fmt::format(kRow, "ID", id_width, "HOLDER", holder_width, "STATUS", "CREATED",
                                  "EXPIRES", "MAY");
  for (const auto& key : keys) {
    table += fmt::format(kRow, printable(key.id), id_width, printable(key.holder), holder_width,
                         status_of(key, now), rfc3339_seconds(key.created_at), expiry_of(key),
                         key.policy.empty() ? "everything" : "what its policy allows");
  }
  return table;
}

// The only time that a secret is shown.
std::string shown(const auth::Credentials& made, bool json) {
  if (json) {
    std::string text = "{";
    append_json_member(text, "access_key", made.access_key);
    append_json_member(text, "secret_key", made.secret_key);
    if (!made.session_token.empty()) append_json_member(text, "session_token", made.session_token);
    return text + "}\n";
  }
  std::string text = fmt::format("AWS_ACCESS_KEY_ID={}\nAWS_SECRET_ACCESS_KEY={}\n",
                                 made.access_key, made.secret_key);
  if (!made.session_token.empty())
    text += fmt::format("AWS_SESSION_TOKEN={}\n", made.session_token);
  return text;
}

// The policy of one key, as it was given.
Result<std::string> policy_of(KeyCommands& commands, const std::string& id) {
  SPILLWAY_ASSIGN(const auto keys, commands.list());
  const auto found = std::ranges::find(keys, id, &auth::StoredKey::id);
  if (found == keys.end())
    return Error{ErrorCode::kNotFound, fmt::format("there is no access key {}", id)};
  if (found->policy.empty()) return std::string("it may do everything\n");
  return found->policy + (found->policy.ends_with('\n') ? "" : "\n");
}

Result<std::string> imported(KeyCommands& commands, const std::string& file) {
  SPILLWAY_ASSIGN(const auto ids, commands.import());
  std::string text;
  for (const auto& id : ids) text += id + "\n";
  std::fprintf(stderr,
               "spillway: %zu keys taken over; now remove the [[serve.keys]] tables from "
               "%s, whose secrets are readable there\n",
               ids.size(), file.c_str());
  return text;
}

bool reads_only(const Options& options) {
  return options.list->parsed() ||
         (options.policy->parsed() && options.key.policy_file.empty() && !options.everything);
}

// What there is to print on standard output.
Result<std::string> change(KeyCommands& commands, const Options& options) {
  const auto done = [](const Status& status) -> Result<std::string> {
    if (!status.ok()) return status.error();
    return std::string();
  };
  if (options.create->parsed()) {
    SPILLWAY_ASSIGN(const auto made, commands.create(options.key));
    return shown(made, options.json);
  }
  if (options.rotate->parsed()) {
    seconds grace{0};
    if (options.grace != "0s" && options.grace != "0") {
      SPILLWAY_ASSIGN(grace, parse_time_span(options.grace));
    }
    SPILLWAY_ASSIGN(const auto made, commands.rotate(options.id, grace));
    return shown(made, options.json);
  }
  if (options.disable->parsed()) return done(commands.set_enabled(options.id, false));
  if (options.enable->parsed()) return done(commands.set_enabled(options.id, true));
  if (options.remove->parsed()) return done(commands.remove(options.id));
  if (options.policy->parsed())
    return done(commands.set_policy(options.id, options.key.policy_file));
  return imported(commands, options.flags.file());
}

Result<std::string> look(KeyCommands& commands, const Options& options) {
  if (options.policy->parsed()) return policy_of(commands, options.id);
  SPILLWAY_ASSIGN(const auto keys, commands.list());
  io::SystemClock clock;
  if (!options.json) return table_of(keys, clock.wall_now());
  std::string lines;
  for (const auto& key : keys) lines += json_of(key, clock.wall_now());
  return lines;
}

int run_keys(Options& options) {
  if (options.import->parsed() && options.flags.file().empty()) {
    std::fprintf(stderr,
                 "spillway: import needs --config FILE, whose [[serve.keys]] it takes over\n");
    return kExitUsage;
  }
  const auto config = options.flags.load();
  if (!config.ok()) return fail(config.error());
  if (options.key.session) options.key.life = kSessionLife;
  if (!options.expires.empty()) {
    const auto life = parse_time_span(options.expires);
    if (!life.ok()) return fail(context("--expires", life.error()));
    options.key.life = *life;
  }
  KeyCommands commands(config->serve);
  const auto text = reads_only(options) ? look(commands, options) : change(commands, options);
  if (commands.made_directory()) {
    std::fprintf(stderr, "spillway: made %s: is this where your region or broker stores?\n",
                 config->serve.data.c_str());
  }
  if (!text.ok()) return fail(text.error());
  // What is shown once is shown whatever the region says.
  if (!write_out(*text) && errno != EPIPE)
    return fail({ErrorCode::kIo, fmt::format("write standard output: {}", std::strerror(errno))});
  if (reads_only(options)) return kExitOk;
  const auto told = commands.tell_region();
  if (!told.ok()) return fail(told.error());
  if (!told->empty()) std::fprintf(stderr, "spillway: %s\n", told->c_str());
  return kExitOk;
}

void add_id(CLI::App& command, Options& options) {
  command.add_option("id", options.id, "The access key's id")->required();
}

}  // namespace

CommandRun declare_keys(CLI::App& app) {
  auto options = std::make_shared<Options>(app);
  auto& key = options->key;
  options->flags.add(app, "--data", "serve.data", "The data directory: a region's, or a broker's");
  options->flags.add(app, "--admin", "serve.admin", "The admin address of either, if it runs");
  app.add_flag("--json", options->json, "JSON, one object for each key");
  app.fallthrough();
  app.require_subcommand(1);
  options->create = app.add_subcommand("create", "Make a key; its secret is shown only now");
  options->create->add_option("holder", key.holder, "Who holds it: the user's name in ARNs")
      ->required();
  options->create->add_option("--policy", key.policy_file,
                              "File with an IAM policy; without it the key may do everything");
  options->create->add_flag("--session", key.session, "A temporary key, with a session token");
  options->create->add_option("--expires", options->expires,
                              "After which time it ends, as in 12h (a temporary one: 1h)");
  options->create
      ->add_option("--requests-per-second", key.limits.requests_per_second,
                   "Beyond, its requests are throttled")
      ->check(CLI::Range(std::uint64_t{1}, kRequestsPerSecondMax));
  options->create
      ->add_option("--bytes-per-second", key.limits.bytes_per_second,
                   "Likewise, of what it sends and gets")
      ->check(CLI::Range(std::uint64_t{1}, kBytesPerSecondMax));
  options->list = app.add_subcommand("list", "Show the keys, without their secrets");
  options->disable = app.add_subcommand("disable", "Refuse a key, at once");
  options->enable = app.add_subcommand("enable", "Take it again");
  options->remove = app.add_subcommand("delete", "Forget a key");
  options->rotate = app.add_subcommand("rotate", "Give a key a new secret");
  options->rotate->add_option("--grace", options->grace,
                              "How long the old one is good yet; otherwise it ends at once");
  options->policy = app.add_subcommand("policy", "Show or replace a key's policy");
  options->import =
      app.add_subcommand("import", "Take over the [[serve.keys]] of the --config file");
  for (auto* command :
       {options->disable, options->enable, options->remove, options->rotate, options->policy})
    add_id(*command, *options);
  auto* file = options->policy->add_option("file", key.policy_file, "With an IAM policy");
  options->policy->add_flag("--everything", options->everything, "Let it do everything")
      ->excludes(file);
  return [options] { return run_keys(*options); };
}

}  // namespace spillway::cli
