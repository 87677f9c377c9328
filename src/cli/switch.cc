// spillway switch: where brokers send records from now on, until it is released; and what each
// switch left open (docs/failover.md).
#include <fmt/format.h>
#include <pwd.h>
#include <simdjson.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "broker/switch_proof.h"
#include "cli/admin_call.h"
#include "cli/admin_client.h"
#include "cli/command.h"
#include "cli/config_flags.h"
#include "cli/grant_commands.h"
#include "cli/receipt_view.h"
#include "cli/switch_answer.h"
#include "cli/text_output.h"

namespace spillway::cli {
namespace {

// A challenge that somebody else used meanwhile is asked for again.
constexpr int kAttempts = 5;
constexpr int kChallengeUsed = 412;

struct SwitchOptions {
  explicit SwitchOptions(CLI::App& app) : flags(app) {}
  ConfigFlags flags;
  std::string stream;
  std::string to;
  std::string accept;
  bool release = false;
  std::string reason;
  std::string who;
  std::string key;    // file
  std::string grant;  // text, or file
  bool break_glass = false;
  bool json = false;
  std::vector<std::string> admins;
  std::uint64_t id = 0;  // of `show`
};

// What is asked of each broker.
struct Question {
  std::string members;  // of the JSON object, but for who asks
  std::string who;
  std::string to;
  std::string reason;
  std::string accept;
  std::optional<Ed25519Seed> seed;
};

// Services and containers have no $USER.
std::string account_name() {
  passwd account{};
  passwd* found = nullptr;
  char texts[4096];
  if (::getpwuid_r(::geteuid(), &account, texts, sizeof texts, &found) != 0 || found == nullptr)
    return fmt::format("user {}", ::geteuid());
  return account.pw_name;
}

std::string who_asks(const SwitchOptions& options) {
  if (!options.who.empty()) return options.who;
  const char* const user = std::getenv("USER");
  return user != nullptr && *user != '\0' ? user : account_name();
}

Result<Question> question_of(const SwitchOptions& options) {
  Question question{"\"reason\":",  who_asks(options), options.to,
                    options.reason, options.accept,    std::nullopt};
  append_json_text(question.members, options.reason);
  if (!options.to.empty()) append_json_member(question.members, "to", options.to);
  if (!options.accept.empty()) append_json_member(question.members, "accept", options.accept);
  if (!options.stream.empty()) append_json_member(question.members, "stream", options.stream);
  if (options.break_glass) question.members += R"(,"break_glass":true)";
  if (!options.grant.empty()) {
    SPILLWAY_ASSIGN(const auto text, GrantCommands("").find(options.grant));
    append_json_member(question.members, "grant", text);
  }
  if (!options.key.empty()) {
    io::PosixDisk disk;
    SPILLWAY_ASSIGN(question.seed, read_private_key(disk, options.key));
  }
  return question;
}

Error refusal(const wire::ClientResponse& answer) {
  const auto line = answer.body.substr(0, answer.body.find('\n'));
  return {ErrorCode::kInvalid, fmt::format("HTTP {}: {}", answer.status, printable(line))};
}

// The request's body, signed for the broker there.
Result<std::string> body_for(const std::string& admin, const Question& question) {
  std::string body = "{" + question.members;
  if (!question.seed) {
    append_json_member(body, "who", question.who);
    return body + "}";
  }
  SPILLWAY_ASSIGN(const auto asked, call_admin(admin, "GET", "/v1/switch"));
  if (asked.status != 200) return refusal(asked);
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  std::string_view broker;
  std::string_view challenge;
  if (parser.parse(asked.body).get(root) != simdjson::SUCCESS ||
      root["broker"].get(broker) != simdjson::SUCCESS ||
      root["challenge"].get(challenge) != simdjson::SUCCESS)
    return not_a_broker();
  append_json_member(body, "holder", broker::to_string(ed25519_public(*question.seed)));
  append_json_member(body, "broker", broker);
  append_json_member(body, "challenge", challenge);
  append_json_member(body, "signature",
                     broker::sign_switch({std::string(broker), std::string(challenge), question.to,
                                          question.reason, question.accept},
                                         *question.seed));
  return body + "}";
}

// What the broker there has done.
Result<SwitchAnswer> ask(const std::string& admin, const Question& question) {
  for (int attempt = 1;; ++attempt) {
    SPILLWAY_ASSIGN(auto body, body_for(admin, question));
    SPILLWAY_ASSIGN(const auto answer, call_admin(admin, "POST", "/v1/switch", std::move(body)));
    if (answer.status == 200) return parse_switch_answer(answer.body);
    if (answer.status != kChallengeUsed || attempt == kAttempts) return refusal(answer);
  }
}

std::string line_of(const SwitchAnswer& answer) {
  std::string line =
      fmt::format("records go to {}{}{} ({})", answer.target.empty() ? "no target" : answer.target,
                  answer.held ? ", until it is released" : ", as health decides",
                  answer.changed ? "" : ", as before", answer.because);
  if (answer.receipt > 0)
    line += fmt::format("; its receipt: spillway switch show {}", answer.receipt);
  if (!answer.fault.empty()) line += fmt::format("; not recorded: {}", answer.fault);
  return line;
}

std::string json_of(const std::string& admin, const Result<SwitchAnswer>& answer) {
  std::string json = "{";
  append_json_member(json, "admin", admin);
  json += fmt::format(R"(,"ok":{})", answer.ok());
  if (!answer.ok()) {
    append_json_member(json, "error", answer.error().message);
    return json + "}\n";
  }
  append_json_member(json, "broker", answer->broker);
  append_json_member(json, "streams", answer->streams);
  append_json_member(json, "target", answer->target);
  json += fmt::format(R"(,"held":{},"changed":{})", answer->held, answer->changed);
  append_json_member(json, "because", answer->because);
  append_json_member(json, "fault", answer->fault);
  if (answer->receipt > 0) json += fmt::format(R"(,"receipt":{})", answer->receipt);
  return json + "}\n";
}

std::string table_of(const std::vector<std::string>& admins,
                     const std::vector<Result<SwitchAnswer>>& answers) {
  constexpr std::string_view kRow = "{:{}}  {:{}}  {:6}  {}\n";
  std::size_t admin_width = 5;
  std::size_t broker_width = 6;
  for (const auto& admin : admins) admin_width = std::max(admin_width, admin.size());
  for (const auto& answer : answers)
    if (answer.ok()) broker_width = std::max(broker_width, answer->broker.size());
  std::string table =
      fmt::format(kRow, "ADMIN", admin_width, "BROKER", broker_width, "DONE", "ANSWER");
  for (std::size_t i = 0; i < admins.size(); ++i) {
    const auto& answer = answers[i];
    table += fmt::format(kRow, admins[i], admin_width,
                         answer.ok() && !answer->broker.empty() ? answer->broker : "-",
                         broker_width, answer.ok() ? "yes" : "FAILED",
                         answer.ok() ? line_of(*answer) : answer.error().message);
  }
  return table;
}

// "HOST:PORT" of what may be written as http://HOST:PORT/.
std::string address_of(std::string admin) {
  constexpr std::string_view kScheme = "http://";
  if (admin.starts_with(kScheme)) admin.erase(0, kScheme.size());
  if (admin.ends_with('/')) admin.pop_back();
  return admin;
}

Result<std::vector<std::string>> admins_of(const SwitchOptions& options) {
  std::vector<std::string> admins;
  for (const auto& given : options.admins) {
    auto admin = address_of(given);
    if (std::ranges::find(admins, admin) == admins.end()) admins.push_back(std::move(admin));
  }
  if (!admins.empty()) return admins;
  SPILLWAY_ASSIGN(const auto config, options.flags.load());
  return std::vector<std::string>{config.broker.admin};
}

// What the brokers say at that place of their admin ports; `view` makes it a text for people.
int show(const SwitchOptions& options, const std::string& target,
         Result<std::string> (*view)(std::string_view json)) {
  const auto admins = admins_of(options);
  if (!admins.ok()) return fail(admins.error());
  int code = kExitOk;
  for (const auto& admin : *admins) {
    const auto answer = ask_admin(admin, target);
    const auto text = !answer.ok() || options.json ? answer : view(*answer);
    if (!text.ok()) {
      code = fail(context(admin, text.error()));
      continue;
    }
    if (admins->size() > 1 && !options.json) write_out(admin + "\n");
    write_out(*text);
  }
  return code;
}

int run_switch(const SwitchOptions& options) {
  const int asked = int{options.release} + int{!options.to.empty()} + int{!options.accept.empty()};
  if (asked != 1) {
    std::fputs("spillway: say either where to (--to), or --release, or --accept TARGET\n", stderr);
    return kExitUsage;
  }
  if (options.reason.empty()) {
    std::fputs("spillway: --reason is empty: say why, for whoever reads the log of switches\n",
               stderr);
    return kExitUsage;
  }
  const auto admins = admins_of(options);
  if (!admins.ok()) return fail(admins.error());
  const auto question = question_of(options);
  if (!question.ok()) return fail(question.error());
  std::vector<Result<SwitchAnswer>> answers;
  answers.reserve(admins->size());
  std::string lines;
  int code = kExitOk;
  for (const auto& admin : *admins) {
    answers.push_back(ask(admin, *question));
    const auto& answer = answers.back();
    if (!answer.ok()) code = fail(context(admin, answer.error()));
    if (options.json) {
      lines += json_of(admin, answer);
    } else if (answer.ok()) {
      lines += fmt::format("{}: {}\n", admin, line_of(*answer));
    }
  }
  write_out(options.json || admins->size() == 1 ? lines : table_of(*admins, answers));
  return code;
}

}  // namespace

CommandRun declare_switch(CLI::App& app) {
  auto options = std::make_shared<SwitchOptions>(app);
  app.add_option("stream", options->stream,
                 "A stream of the broker, to be sure it is the right one: all of its streams go "
                 "the same way");
  app.add_option("--to", options->to, "The target that records go to, until it is released");
  app.add_flag("--release", options->release, "What holds is released: health decides again");
  app.add_option("--accept", options->accept,
                 "This target, which has lost what it had acknowledged, may be used as it is");
  app.add_option("--reason", options->reason, "Why, for the log of switches");
  app.add_option("--who", options->who, "Who asks for it, for the log ($USER)");
  auto* key = app.add_option("--key", options->key,
                             "File with your private key, whose grant allows the switch");
  app.add_option("--grant", options->grant,
                 "A grant's text, or a file with it, if the broker has none for you")
      ->needs(key);
  app.add_flag("--break-glass", options->break_glass, "Switch without a grant; everybody is told");
  app.add_option("--admin", options->admins,
                 "Admin address of a broker (broker.admin); several with commas between them, or "
                 "each with its own --admin")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_flag("--json", options->json, "JSON, an object a line for each broker");
  app.fallthrough();
  auto* const list = app.add_subcommand("list", "The switches that were made, and which are open");
  auto* const one = app.add_subcommand("show", "What one left open, and when it was resolved");
  one->add_option("id", options->id, "Its number, as `list` tells it")->required();
  return [options, list, one] {
    if (list->parsed()) return show(*options, "/v1/switches", receipt_list_view);
    if (!one->parsed()) return run_switch(*options);
    return show(*options, fmt::format("/v1/switches/{}", options->id), receipt_view);
  };
}

}  // namespace spillway::cli
