#include "server/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "base/nearest_name.h"
#include "broker/switch_approval.h"
#include "client/credentials_source.h"
#include "server/input_ports.h"

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

namespace spillway::server {
namespace {

using Texts = std::vector<std::string>;

// clang-format off
const ConfigKey kKeys[] = {
  {.name = "log.format", .field = +[](Config& c) -> std::string& { return c.log.format; },
   .meaning = "How log lines are written to standard error: for people, or one JSON object per line.",
   .choices = "text|json"},
  {.name = "log.level", .field = +[](Config& c) -> std::string& { return c.log.level; },
   .meaning = "The lowest level that is written.",
   .choices = "debug|info|warning|error", .reloaded = true},

  {.name = "serve.data", .field = +[](Config& c) -> std::string& { return c.serve.data; },
   .meaning = "The directory of everything stored. Made if missing; one process at a time."},
  {.name = "serve.listen", .field = +[](Config& c) -> std::string& { return c.serve.listen; },
   .meaning = "Address and port of the Kinesis API. Other than loopback only with access keys."},
  {.name = "serve.admin", .field = +[](Config& c) -> std::string& { return c.serve.admin; },
   .meaning = "Address and port of `/metrics`, `/health/…` and `/v1/…`. Not authenticated: keep it on loopback or behind a firewall."},
  {.name = "serve.region", .field = +[](Config& c) -> std::string& { return c.serve.region; },
   .meaning = "The region's name, in ARNs and in the signatures that are accepted."},
  {.name = "serve.account", .field = +[](Config& c) -> std::string& { return c.serve.account; },
   .meaning = "The 12-digit account id in ARNs."},
  {.name = "serve.limits", .field = +[](Config& c) -> std::string& { return c.serve.limits; },
   .meaning = "`none` leaves only the machine's own limits; `aws` enforces Kinesis's rates and quotas too.",
   .choices = "none|aws"},
  {.name = "serve.transition_ms", .field = +[](Config& c) -> std::int64_t& { return c.serve.transition_ms; },
   .meaning = "How long a stream stays CREATING, UPDATING or DELETING, as at AWS; 0 is no time at all.", .min = 0, .max = 600'000},
  {.name = "serve.subscription_seconds", .field = +[](Config& c) -> std::int64_t& { return c.serve.subscription_seconds; },
   .meaning = "How long a SubscribeToShard lasts before the client has to subscribe again; 300 at AWS.", .min = 1, .max = 86400},
  {.name = "serve.token_seconds", .field = +[](Config& c) -> std::int64_t& { return c.serve.token_seconds; },
   .meaning = "How long a shard iterator and a NextToken can be used; 300 at AWS.", .min = 1, .max = 86400},
  {.name = "serve.tls_certificate", .field = +[](Config& c) -> std::string& { return c.serve.tls_certificate; },
   .meaning = "A file in PEM with the certificate for https, and those that it was issued by; empty takes one that is made at the first start, of which clients trust `DATA/tls/ca.pem`."},
  {.name = "serve.tls_key", .field = +[](Config& c) -> std::string& { return c.serve.tls_key; },
   .meaning = "A file in PEM with the certificate's key, without a password."},
  {.name = "serve.threads", .field = +[](Config& c) -> std::int64_t& { return c.serve.threads; },
   .meaning = "Threads that serve connections; 0 is one per core.", .min = 0, .max = 1024},
  {.name = "serve.drain_seconds", .field = +[](Config& c) -> std::int64_t& { return c.serve.drain_seconds; },
   .meaning = "How long requests under way may take to finish after SIGTERM.", .min = 0, .max = 3600},
  {.name = "serve.connections_max", .field = +[](Config& c) -> std::int64_t& { return c.serve.connections_max; },
   .meaning = "Connections at once; more are refused.", .min = 1, .max = 1'000'000},
  {.name = "serve.requests_max", .field = +[](Config& c) -> std::int64_t& { return c.serve.requests_max; },
   .meaning = "Requests under way at once, from their last byte to their answer; more are answered with 503 (ServiceUnavailable).", .min = 1, .max = 1'000'000},
  {.name = "serve.idle_seconds", .field = +[](Config& c) -> std::int64_t& { return c.serve.idle_seconds; },
   .meaning = "How long a connection may stay open between two requests.", .min = 1, .max = 86400},
  {.name = "serve.journal_file_mib", .field = +[](Config& c) -> std::int64_t& { return c.serve.journal_file_mib; },
   .meaning = "Size of each of the journal's four files.", .min = 16, .max = 4096},
  {.name = "serve.queue_mib", .field = +[](Config& c) -> std::int64_t& { return c.serve.queue_mib; },
   .meaning = "Bytes accepted and not yet on disk; beyond, puts are throttled.", .min = 8, .max = 65536},
  {.name = "serve.tail_mib", .field = +[](Config& c) -> std::int64_t& { return c.serve.tail_mib; },
   .meaning = "Recent records kept in memory for readers at the tip.", .min = 8, .max = 65536},
  {.name = "serve.page_cache_mib", .field = +[](Config& c) -> std::int64_t& { return c.serve.page_cache_mib; },
   .meaning = "Older records that the system may keep in its page cache, for readers a little behind.", .min = 0, .max = 1'048'576},
  {.name = "serve.audit_mib", .field = +[](Config& c) -> std::int64_t& { return c.serve.audit_mib; },
   .meaning = "Size at which a file of the audit log is closed and the next one begun.", .min = 1, .max = 65536},
  {.name = "serve.audit_files", .field = +[](Config& c) -> std::int64_t& { return c.serve.audit_files; },
   .meaning = "How many files of the audit log are kept, the one that is written among them.", .min = 1, .max = 1000},

  {.name = "broker.data", .field = +[](Config& c) -> std::string& { return c.broker.data; },
   .meaning = "The directory of the broker's spool and file places. Made if missing; one process at a time."},
  {.name = "broker.listen", .field = +[](Config& c) -> std::string& { return c.broker.listen; },
   .meaning = "Address and port of the broker's Kinesis API; empty: there is none. Other than loopback only with access keys.", .reloaded = true},
  {.name = "broker.http", .field = +[](Config& c) -> std::string& { return c.broker.http; },
   .meaning = "Address and port of the broker's HTTP input; empty: there is none. Other than loopback only with access keys, and by https alone.", .reloaded = true},
  {.name = "broker.otlp", .field = +[](Config& c) -> std::string& { return c.broker.otlp; },
   .meaning = "Address and port on which the broker takes OTLP over HTTP; empty: it doesn't. Other than loopback only with access keys, and by https alone.", .reloaded = true},
  {.name = "broker.otlp_logs_stream", .field = +[](Config& c) -> std::string& { return c.broker.otlp_logs_stream; },
   .meaning = "The stream that OTLP's logs go to. Made if missing.", .reloaded = true},
  {.name = "broker.otlp_metrics_stream", .field = +[](Config& c) -> std::string& { return c.broker.otlp_metrics_stream; },
   .meaning = "The stream that OTLP's metrics go to. Made if missing.", .reloaded = true},
  {.name = "broker.otlp_traces_stream", .field = +[](Config& c) -> std::string& { return c.broker.otlp_traces_stream; },
   .meaning = "The stream that OTLP's traces go to. Made if missing.", .reloaded = true},
  {.name = "broker.syslog_tcp", .field = +[](Config& c) -> std::string& { return c.broker.syslog_tcp; },
   .meaning = "Address and port on which the broker takes syslog over TCP, on loopback; empty: it doesn't.", .reloaded = true},
  {.name = "broker.syslog_udp", .field = +[](Config& c) -> std::string& { return c.broker.syslog_udp; },
   .meaning = "The same over UDP, which loses what comes too fast.", .reloaded = true},
  {.name = "broker.syslog_stream", .field = +[](Config& c) -> std::string& { return c.broker.syslog_stream; },
   .meaning = "The stream that syslog goes to. Made if missing.", .reloaded = true},
  {.name = "broker.statsd", .field = +[](Config& c) -> std::string& { return c.broker.statsd; },
   .meaning = "Address and port on which the broker takes StatsD over UDP, on loopback; empty: it doesn't.", .reloaded = true},
  {.name = "broker.statsd_tcp", .field = +[](Config& c) -> std::string& { return c.broker.statsd_tcp; },
   .meaning = "The same over TCP.", .reloaded = true},
  {.name = "broker.statsd_stream", .field = +[](Config& c) -> std::string& { return c.broker.statsd_stream; },
   .meaning = "The stream that StatsD's metrics go to. Made if missing.", .reloaded = true},
  {.name = "broker.statsd_flush_seconds", .field = +[](Config& c) -> std::int64_t& { return c.broker.statsd_flush_seconds; },
   .meaning = "How long StatsD's samples are added up to a record of each metric.", .min = 1, .max = 3600},
  {.name = "broker.stdin_stream", .field = +[](Config& c) -> std::string& { return c.broker.stdin_stream; },
   .meaning = "The stream that lines of standard input go to, made if missing; empty: it is not read. The broker ends when it ends."},
  {.name = "broker.admin", .field = +[](Config& c) -> std::string& { return c.broker.admin; },
   .meaning = "Address and port of the broker's `/metrics`, `/health/…` and `/v1/status`."},
  {.name = "broker.host", .field = +[](Config& c) -> std::string& { return c.broker.host; },
   .meaning = "The name of this machine in records; empty takes the system's."},
  {.name = "broker.endpoint", .field = +[](Config& c) -> std::string& { return c.broker.endpoint; },
   .meaning = "The Kinesis endpoint that records are put to, http:// or https://. As a variable or a flag it may be all targets: NAME=URL,NAME=URL.", .reloaded = true},
  {.name = "broker.ca", .field = +[](Config& c) -> std::string& { return c.broker.ca; },
   .meaning = "For https: a file in PEM with the certificates to trust; empty trusts whom this system trusts.", .reloaded = true},
  {.name = "broker.region", .field = +[](Config& c) -> std::string& { return c.broker.region; },
   .meaning = "The region that requests are signed for, and, as of the start, that of signatures and ARNs at the Kinesis API.", .reloaded = true},
  {.name = "broker.access_key", .field = +[](Config& c) -> std::string& { return c.broker.access_key; },
   .meaning = "The access key that requests are signed with.", .reloaded = true},
  {.name = "broker.secret_key", .field = +[](Config& c) -> std::string& { return c.broker.secret_key; },
   .meaning = "Its secret.", .reloaded = true},
  {.name = "broker.credentials", .field = +[](Config& c) -> std::string& { return c.broker.credentials; },
   .meaning = "Where both come from instead: `env`, `file:PATH`, `file:PATH#PROFILE` or `command:…`; empty: the two above.", .reloaded = true},
  {.name = "broker.stream", .field = +[](Config& c) -> std::string& { return c.broker.stream; },
   .meaning = "The stream that telemetry goes to. Made if missing.", .reloaded = true},
  {.name = "broker.streams", .field = +[](Config& c) -> Texts& { return c.broker.streams; },
   .meaning = "Streams that producers may put to through the broker, besides `broker.stream`. Made at the target if missing.", .reloaded = true},
  {.name = "broker.kind", .field = +[](Config& c) -> std::string& { return c.broker.kind; },
   .meaning = "What the target is: `spillway`, or `amazon` for Amazon Kinesis and everything else that speaks its API.",
   .choices = "spillway|amazon", .reloaded = true},
  {.name = "broker.origins", .field = +[](Config& c) -> bool& { return c.broker.origins; },
   .meaning = "Whether records are sent with their origins, by which copies are known; false for a target that refuses them.", .reloaded = true},
  {.name = "broker.aggregate", .field = +[](Config& c) -> bool& { return c.broker.aggregate; },
   .meaning = "To a target that is `amazon`: whether records go in aggregates, without which they have no origins there.", .reloaded = true},
  {.name = "broker.shards", .field = +[](Config& c) -> std::int64_t& { return c.broker.shards; },
   .meaning = "Shards of a stream that has to be made; 0 makes it on demand.", .min = 0, .max = 10'000, .reloaded = true},
  {.name = "broker.host_metrics", .field = +[](Config& c) -> bool& { return c.broker.host_metrics; },
   .meaning = "Whether this machine's CPU, memory, disks, network and processes are recorded.", .reloaded = true},
  {.name = "broker.interval_ms", .field = +[](Config& c) -> std::int64_t& { return c.broker.interval_ms; },
   .meaning = "Time between two records of a subject of host metrics.", .min = 100, .max = 3'600'000, .reloaded = true},
  {.name = "broker.top_processes", .field = +[](Config& c) -> std::int64_t& { return c.broker.top_processes; },
   .meaning = "How many processes, by CPU time, the record `processes` names.", .min = 0, .max = 100, .reloaded = true},
  {.name = "broker.files", .field = +[](Config& c) -> Texts& { return c.broker.files; },
   .meaning = "Log files to follow (absolute paths), each line a record. Those that don't exist yet are picked up when they do.", .reloaded = true},
  {.name = "broker.files_multiline", .field = +[](Config& c) -> Texts& { return c.broker.files_multiline; },
   .meaning = "Those of them whose lines are joined to records: `PATH`, where lines that begin with a space or a tab go on with the last; or `PATH=EXAMPLE`, where all do that don't begin as the example does, in which a digit stands for any digit and a letter for any letter.", .reloaded = true},
  {.name = "broker.spool_mib", .field = +[](Config& c) -> std::int64_t& { return c.broker.spool_mib; },
   .meaning = "What the spool may take on the disk, besides 48 MiB of journal. When it is full of what the target has not taken, `broker.when_full` says what goes.", .min = 256, .max = 1'073'741'824},
  {.name = "broker.when_full", .field = +[](Config& c) -> std::string& { return c.broker.when_full; },
   .meaning = "What goes when the spool is full of what the target has not taken: `reject` what comes, or `drop_oldest` of what was accepted, counted.", .choices = "reject|drop_oldest", .reloaded = true},
  {.name = "broker.keep_seconds", .field = +[](Config& c) -> std::int64_t& { return c.broker.keep_seconds; },
   .meaning = "How long what was delivered stays in the spool at least, unless the room is needed.", .min = 0, .max = 31'536'000, .reloaded = true},
  {.name = "broker.copies", .field = +[](Config& c) -> std::int64_t& { return c.broker.copies; },
   .meaning = "How many targets must have a record before its room in the spool is free; beyond 1 each target has `backfill`.", .min = 1, .max = 8, .reloaded = true},
  {.name = "broker.runway_alarm_seconds", .field = +[](Config& c) -> std::int64_t& { return c.broker.runway_alarm_seconds; },
   .meaning = "The log warns when the spool would be full before that, at the rate of the last minute, if nothing were delivered; 0: it doesn't.", .min = 0, .max = 31'536'000, .reloaded = true},
  {.name = "broker.tls_certificate", .field = +[](Config& c) -> std::string& { return c.broker.tls_certificate; },
   .meaning = "A file in PEM with the certificate for https to the broker's ports for HTTP, and those that it was issued by; empty takes one that is made at the first start, of which clients trust `DATA/tls/ca.pem`."},
  {.name = "broker.tls_key", .field = +[](Config& c) -> std::string& { return c.broker.tls_key; },
   .meaning = "A file in PEM with the certificate's key, without a password."},
  {.name = "broker.threads", .field = +[](Config& c) -> std::int64_t& { return c.broker.threads; },
   .meaning = "Threads that serve the broker's Kinesis API; 0 is one per core.", .min = 0, .max = 1024},
  {.name = "broker.connections_max", .field = +[](Config& c) -> std::int64_t& { return c.broker.connections_max; },
   .meaning = "Connections of producers at once; more are refused.", .min = 1, .max = 1'000'000},
  {.name = "broker.drain_seconds", .field = +[](Config& c) -> std::int64_t& { return c.broker.drain_seconds; },
   .meaning = "How long SIGTERM waits for the target to take what the spool holds; the rest is sent after the next start.", .min = 0, .max = 3600, .reloaded = true},
  {.name = "broker.canary_stream", .field = +[](Config& c) -> std::string& { return c.broker.canary_stream; },
   .meaning = "With several targets: the stream of each, made if missing, that the broker writes small records to and reads them back from, to know how the target is."},
  {.name = "broker.returns", .field = +[](Config& c) -> bool& { return c.broker.returns; },
   .meaning = "Whether a target that comes before the one in use is returned to by itself when it is well again.", .reloaded = true},
  {.name = "broker.return_seconds", .field = +[](Config& c) -> std::int64_t& { return c.broker.return_seconds; },
   .meaning = "How long it must have been well before.", .min = 1, .max = 86400, .reloaded = true},
  {.name = "broker.catch_up", .field = +[](Config& c) -> std::string& { return c.broker.catch_up; },
   .meaning = "What is sent first when a target takes records again, or after a start: `oldest_first` what waits, in its order; `live_first` what comes from then on, a larger backlog beside it.",
   .choices = "oldest_first|live_first", .reloaded = true},
  {.name = "broker.linger_ms", .field = +[](Config& c) -> std::int64_t& { return c.broker.linger_ms; },
   .meaning = "How old the first record of less than a request gets before that is sent to a target; 0: it is sent at once, and what comes meanwhile is the next request.",
   .min = 0, .max = 1000, .reloaded = true},
  {.name = "broker.approval", .field = +[](Config& c) -> std::string& { return c.broker.approval; },
   .meaning = "`grant`: a switch to another target than the first needs a grant, the broker's own too; `none`: it doesn't.",
   .choices = "none|grant"},
  {.name = "broker.approvers", .field = +[](Config& c) -> Texts& { return c.broker.approvers; },
   .meaning = "Who gives grants: names and public keys, as in `alice=ed25519:…`."},
};
// clang-format on

constexpr std::string_view kTableNames[] = {"broker.targets",
                                            "broker.targets.name",
                                            "broker.targets.endpoint",
                                            "broker.targets.ca",
                                            "broker.targets.region",
                                            "broker.targets.access_key",
                                            "broker.targets.secret_key",
                                            "broker.targets.credentials",
                                            "broker.targets.kind",
                                            "broker.targets.origins",
                                            "broker.targets.aggregate",
                                            "broker.targets.shards",
                                            "broker.targets.backfill",
                                            "broker.keys",
                                            "broker.keys.access_key",
                                            "broker.keys.secret_key",
                                            "serve.keys",
                                            "serve.keys.access_key",
                                            "serve.keys.secret_key",
                                            "serve.master_keys",
                                            "serve.master_keys.id",
                                            "serve.master_keys.aliases",
                                            "serve.master_keys.source",
                                            "serve.master_keys.disabled"};

std::string key_hint(std::string_view unknown) {
  std::vector<std::string_view> names(std::begin(kTableNames), std::end(kTableNames));
  for (const auto& key : kKeys) names.push_back(key.name);
  return did_you_mean(unknown, names);
}

const ConfigKey* find_key(std::string_view name) {
  const auto* it = std::find_if(std::begin(kKeys), std::end(kKeys),
                                [&](const ConfigKey& key) { return key.name == name; });
  return it == std::end(kKeys) ? nullptr : it;
}

Error invalid(std::string_view where, std::string message) {
  return {ErrorCode::kInvalid, fmt::format("{}: {}", where, message)};
}

Error unknown_key(std::string_view where, std::string_view name) {
  return invalid(where, fmt::format("unknown key \"{}\"{}", name, key_hint(name)));
}

Status set_text(std::string_view name, std::string_view choices, std::string& field,
                std::string value, std::string_view where) {
  if (!choices.empty()) {
    bool found = false;
    for (std::string_view rest = choices; !rest.empty() && !found;) {
      const auto end = std::min(rest.find('|'), rest.size());
      found = rest.substr(0, end) == value;
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    if (!found)
      return invalid(where,
                     fmt::format("{} is \"{}\"; it must be one of {}", name, value, choices));
  }
  field = std::move(value);
  return {};
}

Status set_number(const ConfigKey& key, std::int64_t& field, std::int64_t value,
                  std::string_view where) {
  if (value < key.min || value > key.max)
    return invalid(where,
                   fmt::format("{} is {}; it must be {} to {}", key.name, value, key.min, key.max));
  field = value;
  return {};
}

Error wrong_type(const ConfigKey& key, std::string_view where) {
  constexpr std::string_view kTypes[] = {"a text", "a whole number", "true or false",
                                         "a list of texts"};
  return invalid(where, fmt::format("{} must be {}", key.name, kTypes[key.field.index()]));
}

// Of the targets so far, the last one.
Status check_newest_target(std::span<const TargetConfig> targets) {
  const auto& target = targets.back();
  const bool word = std::ranges::all_of(target.name, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-';
  });
  if (target.name.empty() || target.name.size() > 64 || !word) {
    return Error{ErrorCode::kInvalid,
                 fmt::format("broker.targets.name is \"{}\"; write 1 to 64 of the characters "
                             "a-z, 0-9 and -",
                             target.name)};
  }
  if (target.endpoint.empty()) {
    return Error{
        ErrorCode::kInvalid,
        fmt::format("target {} needs an endpoint, as in http://127.0.0.1:4566", target.name)};
  }
  if (std::ranges::count(targets, target.name, &TargetConfig::name) > 1)
    return Error{ErrorCode::kInvalid, fmt::format("target {} is there twice", target.name)};
  if (targets.size() > kBrokerTargetsMax) {
    return Error{ErrorCode::kInvalid,
                 fmt::format("a broker has at most {} targets", kBrokerTargetsMax)};
  }
  return {};
}

// What stands for broker.endpoint in a flag or a variable: a URL; or "a=URL,b=URL", which are all
// the targets.
Status set_targets(BrokerConfig& broker, const ConfigOverride& given) {
  const std::string_view text = given.value;
  const auto equals = text.find('=');
  const bool named = equals != std::string_view::npos && text.find(':') > equals;
  if (!named) {
    broker.endpoint = text;
    return {};
  }
  broker.endpoint = BrokerConfig().endpoint;
  broker.targets.clear();
  for (std::size_t begin = 0; begin <= text.size();) {
    const auto end = std::min(text.find(',', begin), text.size());
    const auto each = text.substr(begin, end - begin);
    const auto at = std::min(each.find('='), each.size());
    broker.targets.push_back({.name = std::string(each.substr(0, at)),
                              .endpoint = std::string(each.substr(std::min(at + 1, each.size())))});
    if (auto checked = check_newest_target(broker.targets); !checked.ok())
      return invalid(given.source, checked.error().message);
    begin = end + 1;
  }
  return {};
}

// A value that came as text: from a flag or a variable.
Status set_from_text(Config& config, const ConfigOverride& given) {
  if (given.key == "broker.endpoint") return set_targets(config.broker, given);
  const auto* key = find_key(given.key);
  SPILLWAY_ASSERT(key != nullptr);
  if (const auto* text = std::get_if<0>(&key->field))
    return set_text(key->name, key->choices, (*text)(config), given.value, given.source);
  if (const auto* number = std::get_if<1>(&key->field)) {
    std::int64_t value = 0;
    const auto* end = given.value.data() + given.value.size();
    const auto parsed = std::from_chars(given.value.data(), end, value);
    if (parsed.ec != std::errc{} || parsed.ptr != end) return wrong_type(*key, given.source);
    return set_number(*key, (*number)(config), value, given.source);
  }
  if (const auto* flag = std::get_if<2>(&key->field)) {
    if (given.value != "true" && given.value != "false") return wrong_type(*key, given.source);
    (*flag)(config) = given.value == "true";
    return {};
  }
  auto& list = std::get<3>(key->field)(config);
  list.clear();
  for (std::string_view rest = given.value; !rest.empty();) {
    const auto end = std::min(rest.find(','), rest.size());
    if (end > 0) list.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return {};
}

// Reads one parsed file into a Config.
class FileReader {
 public:
  FileReader(Config& config, std::string_view file) : config_(config), file_(file) {}

  Status read(const toml::table& root) {
    for (const auto& [name, node] : root) SPILLWAY_TRY(read_node(std::string(name.str()), node));
    return {};
  }

 private:
  std::string where(const toml::node& node) const {
    return fmt::format("{}:{}", file_, node.source().begin.line);
  }

  Status read_node(const std::string& name, const toml::node& node) {
    if (name == "serve.keys") return read_access_keys(node, name, config_.serve.keys);
    if (name == "broker.keys") return read_access_keys(node, name, config_.broker.keys);
    if (name == "serve.master_keys") return read_master_keys(node);
    if (name == "broker.targets") return read_targets(node);
    if (const auto* table = node.as_table()) {
      const auto prefix = name + ".";
      const bool known = std::any_of(std::begin(kKeys), std::end(kKeys), [&](const ConfigKey& key) {
        return key.name.starts_with(prefix);
      });
      if (!known && table->empty()) return unknown_key(where(node), name);
      for (const auto& [child, value] : *table)
        SPILLWAY_TRY(read_node(prefix + std::string(child.str()), value));
      return {};
    }
    const auto* key = find_key(name);
    if (key == nullptr) return unknown_key(where(node), name);
    return read_value(*key, node);
  }

  Status read_value(const ConfigKey& key, const toml::node& node) {
    if (const auto* text = std::get_if<0>(&key.field)) {
      const auto value = node.value_exact<std::string>();
      if (!value) return wrong_type(key, where(node));
      return set_text(key.name, key.choices, (*text)(config_), *value, where(node));
    }
    if (const auto* number = std::get_if<1>(&key.field)) {
      const auto value = node.value_exact<std::int64_t>();
      if (!value) return wrong_type(key, where(node));
      return set_number(key, (*number)(config_), *value, where(node));
    }
    if (const auto* flag = std::get_if<2>(&key.field)) {
      const auto value = node.value_exact<bool>();
      if (!value) return wrong_type(key, where(node));
      (*flag)(config_) = *value;
      return {};
    }
    auto list = texts_of(node);
    if (!list) return wrong_type(key, where(node));
    std::get<3>(key.field)(config_) = *std::move(list);
    return {};
  }

  static std::optional<Texts> texts_of(const toml::node& node) {
    const auto* array = node.as_array();
    if (array == nullptr) return std::nullopt;
    Texts list;
    for (const auto& item : *array) {
      auto value = item.value_exact<std::string>();
      if (!value) return std::nullopt;
      list.push_back(*std::move(value));
    }
    return list;
  }

  // [[serve.master_keys]] with id, aliases, source and disabled.
  Status read_master_keys(const toml::node& node) {
    const auto* array = node.as_array();
    if (array == nullptr || !array->is_homogeneous(toml::node_type::table)) {
      return invalid(where(node),
                     "serve.master_keys must be written as [[serve.master_keys]] tables");
    }
    for (const auto& item : *array) {
      auth::MasterKeyConfig key;
      for (const auto& [name, value] : *item.as_table())
        SPILLWAY_TRY(read_master_key_member(name.str(), value, key));
      config_.serve.master_keys.push_back(std::move(key));
      if (auto checked = auth::check_master_keys(config_.serve.master_keys); !checked.ok())
        return invalid(where(item), checked.error().message);
    }
    return {};
  }

  Status read_master_key_member(std::string_view name, const toml::node& value,
                                auth::MasterKeyConfig& key) {
    const auto full = fmt::format("serve.master_keys.{}", name);
    if (name == "disabled") {
      const auto flag = value.value_exact<bool>();
      if (!flag) return invalid(where(value), full + " must be true or false");
      key.disabled = *flag;
    } else if (name == "aliases") {
      auto list = texts_of(value);
      if (!list) return invalid(where(value), full + " must be a list of texts");
      key.aliases = *std::move(list);
    } else if (name == "id" || name == "source") {
      auto text = value.value_exact<std::string>();
      if (!text) return invalid(where(value), full + " must be a text");
      (name == "id" ? key.id : key.source) = *std::move(text);
    } else {
      return unknown_key(where(value), full);
    }
    return {};
  }

  // [[serve.keys]] or [[broker.keys]], with access_key and secret_key.
  Status read_access_keys(const toml::node& node, std::string_view table,
                          std::vector<AccessKey>& keys) {
    const auto* array = node.as_array();
    if (array == nullptr || !array->is_homogeneous(toml::node_type::table))
      return invalid(where(node), fmt::format("{0} must be written as [[{0}]] tables", table));
    for (const auto& item : *array) {
      AccessKey key;
      for (const auto& [name, value] : *item.as_table()) {
        const auto full = fmt::format("{}.{}", table, name.str());
        std::string* field = name == "access_key"   ? &key.id
                             : name == "secret_key" ? &key.secret
                                                    : nullptr;
        if (field == nullptr) return unknown_key(where(value), full);
        auto text = value.value_exact<std::string>();
        if (!text) return invalid(where(value), full + " must be a text");
        *field = *std::move(text);
      }
      SPILLWAY_TRY(check_access_key(key, table, keys, where(item)));
      keys.push_back(std::move(key));
    }
    return {};
  }

  Status check_access_key(const AccessKey& key, std::string_view table,
                          const std::vector<AccessKey>& others, std::string_view at) {
    // The characters of a credential scope: no '/', ',' or space.
    const bool word = std::all_of(key.id.begin(), key.id.end(), [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
    });
    if (key.id.size() < 3 || key.id.size() > 128 || !word)
      return invalid(at, fmt::format("{}.access_key must be 3 to 128 letters, digits or _", table));
    if (key.secret.size() < 8)
      return invalid(at,
                     fmt::format("the secret_key of {} must have at least 8 characters", key.id));
    for (const auto& other : others)
      if (other.id == key.id)
        return invalid(at, fmt::format("access_key {} is there twice", key.id));
    return {};
  }

  // [[broker.targets]] with what a TargetConfig has.
  Status read_targets(const toml::node& node) {
    const auto* array = node.as_array();
    if (array == nullptr || !array->is_homogeneous(toml::node_type::table))
      return invalid(where(node), "broker.targets must be written as [[broker.targets]] tables");
    auto& targets = config_.broker.targets;
    for (const auto& item : *array) {
      TargetConfig target;
      for (const auto& [name, value] : *item.as_table())
        SPILLWAY_TRY(read_target_member(name.str(), value, target));
      targets.push_back(std::move(target));
      if (auto checked = check_newest_target(targets); !checked.ok())
        return invalid(where(item), checked.error().message);
    }
    return {};
  }

  Status read_target_member(std::string_view name, const toml::node& value, TargetConfig& target) {
    const auto full = fmt::format("broker.targets.{}", name);
    if (name == "origins" || name == "aggregate" || name == "backfill") {
      auto& flag = name == "origins"     ? target.origins
                   : name == "aggregate" ? target.aggregate
                                         : target.backfill;
      flag = value.value_exact<bool>();
      if (!flag) return invalid(where(value), full + " must be true or false");
      return {};
    }
    if (name == "shards") {
      target.shards = value.value_exact<std::int64_t>();
      const auto& bounds = *find_key("broker.shards");
      if (target.shards && *target.shards >= bounds.min && *target.shards <= bounds.max) return {};
      return invalid(where(value), fmt::format("{} must be a whole number, {} to {}", full,
                                               bounds.min, bounds.max));
    }
    auto text = value.value_exact<std::string>();
    std::optional<std::string>* const field = name == "ca"            ? &target.ca
                                              : name == "region"      ? &target.region
                                              : name == "access_key"  ? &target.access_key
                                              : name == "secret_key"  ? &target.secret_key
                                              : name == "credentials" ? &target.credentials
                                                                      : nullptr;
    if (field == nullptr && name != "name" && name != "endpoint" && name != "kind")
      return unknown_key(where(value), full);
    if (!text) return invalid(where(value), full + " must be a text");
    if (name == "kind") {
      return set_text(full, find_key("broker.kind")->choices, target.kind.emplace(),
                      *std::move(text), where(value));
    }
    if (field != nullptr) {
      *field = std::move(text);
    } else {
      (name == "name" ? target.name : target.endpoint) = *std::move(text);
    }
    return {};
  }

  Config& config_;
  std::string_view file_;
};

// A name that stands in ARNs and credential scopes.
Status check_region(std::string_view key, const std::string& region) {
  const bool fits = region.size() <= 64 && std::ranges::all_of(region, [](char c) {
                      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-';
                    });
  if (fits && !region.empty()) return {};
  return Error{ErrorCode::kInvalid,
               fmt::format("{} is \"{}\"; write 1 to 64 of the characters a-z, 0-9 and -, as in "
                           "us-east-1",
                           key, region)};
}

// As CreateStream takes it.
Status check_stream(std::string_view key, const std::string& stream) {
  const bool fits = stream.size() <= 128 && std::ranges::all_of(stream, [](char c) {
                      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                             (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || c == '-';
                    });
  if (fits && !stream.empty()) return {};
  return Error{ErrorCode::kInvalid,
               fmt::format("{} is \"{}\"; a stream's name has 1 to 128 of the characters a-z, A-Z, "
                           "0-9, _, . and -",
                           key, stream)};
}

Status check_address(std::string_view key, const std::string& address) {
  const std::size_t colon = address.rfind(':');
  std::uint32_t port = 0;
  if (colon != std::string::npos && colon > 0) {
    const char* const end = address.data() + address.size();
    const auto [at, error] = std::from_chars(address.data() + colon + 1, end, port);
    if (error == std::errc{} && at == end && port <= 65'535) return {};
  }
  return Error{ErrorCode::kInvalid,
               fmt::format("{} is \"{}\"; write HOST:PORT, as in 127.0.0.1:4566", key, address)};
}

Status check_certificate(std::string_view role, const std::string& certificate,
                         const std::string& key) {
  if (certificate.empty() == key.empty()) return {};
  return Error{
      ErrorCode::kInvalid,
      fmt::format("{0}.tls_certificate and {0}.tls_key go together: one of them is empty", role)};
}

Status check_targets(const BrokerConfig& config) {
  if (!config.targets.empty() && config.endpoint != BrokerConfig().endpoint) {
    return Error{ErrorCode::kInvalid,
                 "broker.endpoint (--target) and [[broker.targets]] exclude each other: write the "
                 "endpoint as one of the targets"};
  }
  const auto targets = targets_of(config);
  if (std::cmp_greater(config.copies, targets.size())) {
    return Error{ErrorCode::kInvalid,
                 fmt::format("broker.copies is {}, of {} target{}: add [[broker.targets]], or no "
                             "record's room would ever be free",
                             config.copies, targets.size(), targets.size() == 1 ? "" : "s")};
  }
  if (config.copies > 1 && config.when_full == "drop_oldest") {
    return Error{ErrorCode::kInvalid,
                 "broker.copies and broker.when_full = \"drop_oldest\" exclude each other: the one "
                 "keeps what the other drops"};
  }
  for (const auto& target : targets) {
    SPILLWAY_TRY(check_region("broker.region", *target.region));
    if (target.credentials->empty()) continue;
    auto place = client::parse_credentials_place(*target.credentials);
    if (!place.ok()) return context("broker.credentials", std::move(place).error());
  }
  const auto& canaries = config.canary_stream;
  SPILLWAY_TRY(check_stream("broker.canary_stream", canaries));
  if (canaries == config.stream || canaries == config.syslog_stream ||
      canaries == config.otlp_logs_stream || canaries == config.otlp_metrics_stream ||
      canaries == config.otlp_traces_stream || canaries == config.statsd_stream ||
      canaries == config.stdin_stream ||
      std::ranges::find(config.streams, canaries) != config.streams.end()) {
    return Error{
        ErrorCode::kInvalid,
        fmt::format("broker.canary_stream is \"{}\"; it must be a stream of its own", canaries)};
  }
  return {};
}

// It stands in records, in grants and in lines for people.
Status check_host(const std::string& host) {
  if (std::ranges::none_of(host, [](unsigned char c) { return c < 0x20 || c == 0x7f; })) return {};
  return Error{ErrorCode::kInvalid, "broker.host must not have control characters"};
}

Status check_approval(const BrokerConfig& config) {
  for (const auto& text : config.approvers) {
    auto approver = broker::parse_approver(text);
    if (!approver.ok()) return context("broker.approvers", std::move(approver).error());
  }
  if (config.approval != "grant" || !config.approvers.empty()) return {};
  return Error{
      ErrorCode::kInvalid,
      "broker.approval is \"grant\", and nobody could give one: broker.approvers is empty"};
}

}  // namespace

std::vector<TargetConfig> targets_of(const BrokerConfig& config) {
  std::vector<TargetConfig> targets = config.targets;
  if (targets.empty()) targets.push_back({"default", config.endpoint});
  for (auto& target : targets) {
    target.ca = target.ca.value_or(config.ca);
    target.region = target.region.value_or(config.region);
    // Keys of its own are what it says; another table's are not.
    if (!target.credentials)
      target.credentials = target.access_key || target.secret_key ? "" : config.credentials;
    target.access_key = target.access_key.value_or(config.access_key);
    target.secret_key = target.secret_key.value_or(config.secret_key);
    target.kind = target.kind.value_or(config.kind);
    target.origins = target.origins.value_or(config.origins);
    target.aggregate = target.aggregate.value_or(config.aggregate);
    target.shards = target.shards.value_or(config.shards);
    if (config.copies > 1) target.backfill = true;
  }
  return targets;
}

Status check_config(const Config& config) {
  const auto& account = config.serve.account;
  if (account.size() != 12 ||
      !std::all_of(account.begin(), account.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return Error{ErrorCode::kInvalid,
                 fmt::format("serve.account is \"{}\"; it must be 12 digits", account)};
  for (const auto& [name, value] :
       {std::pair{"serve.data", &config.serve.data}, std::pair{"broker.data", &config.broker.data}})
    if (value->empty())
      return Error{ErrorCode::kInvalid, fmt::format("{} must not be empty", name)};
  SPILLWAY_TRY(check_region("serve.region", config.serve.region));
  SPILLWAY_TRY(check_targets(config.broker));
  SPILLWAY_TRY(check_approval(config.broker));
  SPILLWAY_TRY(check_host(config.broker.host));
  SPILLWAY_TRY(check_stream("broker.stream", config.broker.stream));
  for (const auto& stream : config.broker.streams)
    SPILLWAY_TRY(check_stream("broker.streams", stream));
  SPILLWAY_TRY(check_stream("broker.syslog_stream", config.broker.syslog_stream));
  SPILLWAY_TRY(check_stream("broker.otlp_logs_stream", config.broker.otlp_logs_stream));
  SPILLWAY_TRY(check_stream("broker.otlp_metrics_stream", config.broker.otlp_metrics_stream));
  SPILLWAY_TRY(check_stream("broker.otlp_traces_stream", config.broker.otlp_traces_stream));
  SPILLWAY_TRY(check_stream("broker.statsd_stream", config.broker.statsd_stream));
  if (!config.broker.stdin_stream.empty())
    SPILLWAY_TRY(check_stream("broker.stdin_stream", config.broker.stdin_stream));
  SPILLWAY_TRY(check_address("serve.listen", config.serve.listen));
  SPILLWAY_TRY(check_address("serve.admin", config.serve.admin));
  SPILLWAY_TRY(check_address("broker.admin", config.broker.admin));
  for (const auto& port : input_ports()) {
    const auto& address = config.broker.*port.address;
    if (!address.empty()) SPILLWAY_TRY(check_address(port.key, address));
  }
  SPILLWAY_TRY(check_certificate("serve", config.serve.tls_certificate, config.serve.tls_key));
  SPILLWAY_TRY(check_certificate("broker", config.broker.tls_certificate, config.broker.tls_key));
  if (config.serve.listen == config.serve.admin && !config.serve.listen.ends_with(":0")) {
    return Error{ErrorCode::kInvalid,
                 fmt::format("serve.listen and serve.admin are both {}", config.serve.listen)};
  }
  return {};
}

std::span<const ConfigKey> config_keys() { return kKeys; }

std::string variable_of(std::string_view key) {
  std::string variable = "SPILLWAY_";
  for (const char c : key)
    variable += c == '.' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return variable;
}

std::string value_text(const ConfigKey& key, const Config& config) {
  Config copy = config;
  if (const auto* text = std::get_if<0>(&key.field)) return fmt::format("\"{}\"", (*text)(copy));
  if (const auto* number = std::get_if<1>(&key.field)) return std::to_string((*number)(copy));
  if (const auto* flag = std::get_if<2>(&key.field)) return (*flag)(copy) ? "true" : "false";
  std::string list = "[";
  for (const auto& item : std::get<3>(key.field)(copy))
    list += fmt::format("{}\"{}\"", list.size() > 1 ? ", " : "", item);
  return list + "]";
}

Result<std::vector<ConfigOverride>> overrides_from(
    const std::map<std::string, std::string>& environment) {
  std::vector<ConfigOverride> overrides;
  for (const auto& [variable, value] : environment) {
    if (!variable.starts_with("SPILLWAY_")) continue;
    const auto* key = std::find_if(std::begin(kKeys), std::end(kKeys), [&](const ConfigKey& k) {
      return variable_of(k.name) == variable;
    });
    if (key != std::end(kKeys)) {
      overrides.push_back({std::string(key->name), value, variable});
      continue;
    }
    const bool of_a_table =
        std::any_of(std::begin(kKeys), std::end(kKeys), [&](const ConfigKey& k) {
          return variable.starts_with(variable_of(k.name.substr(0, k.name.find('.') + 1)));
        });
    if (!of_a_table) continue;
    std::vector<std::string> variables;
    for (const auto& known : kKeys) variables.push_back(variable_of(known.name));
    return Error{ErrorCode::kInvalid,
                 fmt::format("unknown variable {}{}", variable,
                             did_you_mean(variable, std::vector<std::string_view>(
                                                        variables.begin(), variables.end())))};
  }
  return overrides;
}

Result<Config> make_config(std::string_view file_text, std::string_view file_name,
                           std::span<const ConfigOverride> overrides) {
  Config config;
  const auto parsed = toml::parse(file_text, file_name);
  if (!parsed)
    return invalid(fmt::format("{}:{}", file_name, parsed.error().source().begin.line),
                   std::string(parsed.error().description()));
  SPILLWAY_TRY(FileReader(config, file_name).read(parsed.table()));
  for (const auto& given : overrides) SPILLWAY_TRY(set_from_text(config, given));
  SPILLWAY_TRY(check_config(config));
  return config;
}

FileEnd end_of_file(std::string_view file_text) {
  if (file_text.find_first_not_of(" \t\r\n") == std::string_view::npos) return FileEnd::kEmpty;
  return file_text.ends_with('\n') ? FileEnd::kWhole : FileEnd::kCut;
}

io::LogFormat log_format(const LogConfig& config) {
  return config.format == "json" ? io::LogFormat::kJson : io::LogFormat::kText;
}

io::LogLevel log_level(const LogConfig& config) {
  if (config.level == "debug") return io::LogLevel::kDebug;
  if (config.level == "warning") return io::LogLevel::kWarning;
  if (config.level == "error") return io::LogLevel::kError;
  return io::LogLevel::kInfo;
}

}  // namespace spillway::server
