// The configuration: what spillway.toml, SPILLWAY_… variables and flags say, each overriding the
// one before. One table (config_keys()) names every key with its default and meaning;
// docs/configuration.md is held against it by a test.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "auth/master_key.h"
#include "base/result.h"
#include "io/event_log.h"

namespace spillway::server {

struct AccessKey {
  std::string id;
  std::string secret;
};

struct LogConfig {
  std::string format = "text";  // or "json"
  std::string level = "info";   // "debug", "warning", "error"
};

struct ServeConfig {
  std::string data = "spillway-data/serve";
  std::string listen = "127.0.0.1:4566";
  std::string admin = "127.0.0.1:4600";
  std::string region = "us-east-1";
  std::string account = "000000000000";
  std::string limits = "none";  // or "aws"
  std::int64_t transition_ms = 0;
  std::int64_t subscription_seconds = 300;
  std::int64_t token_seconds = 300;
  std::string tls_certificate;  // files in PEM; empty: one of the data directory's own
  std::string tls_key;
  std::int64_t threads = 0;  // 0: one per core
  std::int64_t drain_seconds = 10;
  std::int64_t connections_max = 10'000;
  std::int64_t requests_max = 4096;
  std::int64_t idle_seconds = 120;
  std::int64_t journal_file_mib = 64;
  std::int64_t queue_mib = 64;
  std::int64_t tail_mib = 64;
  std::int64_t page_cache_mib = 1024;
  std::int64_t audit_mib = 64;
  std::int64_t audit_files = 8;
  std::vector<AccessKey> keys;  // none: loopback only, and any well-formed signature
  std::vector<auth::MasterKeyConfig> master_keys;
};

// What a [[broker.targets]] table says; what it leaves out is as in [broker].
struct TargetConfig {
  std::string name;
  std::string endpoint;
  std::optional<std::string> ca;
  std::optional<std::string> region;
  std::optional<std::string> access_key;
  std::optional<std::string> secret_key;
  std::optional<std::string> credentials;
  std::optional<std::string> kind;
  std::optional<bool> origins;
  std::optional<bool> aggregate;
  std::optional<std::int64_t> shards;
  std::optional<bool> backfill;  // it gets what it missed

  friend bool operator==(const TargetConfig&, const TargetConfig&) = default;
};
inline constexpr std::size_t kBrokerTargetsMax = 8;

struct BrokerConfig {
  std::string data = "spillway-data/broker";
  std::string listen = "127.0.0.1:4567";
  std::string http;  // empty: there is none
  std::string otlp;  // empty: there is none
  std::string otlp_logs_stream = "otlp-logs";
  std::string otlp_metrics_stream = "otlp-metrics";
  std::string otlp_traces_stream = "otlp-traces";
  std::string syslog_tcp;
  std::string syslog_udp;
  std::string syslog_stream = "syslog";
  std::string statsd;
  std::string statsd_tcp;
  std::string statsd_stream = "statsd";
  std::int64_t statsd_flush_seconds = 10;
  std::string stdin_stream;     // empty: standard input is not read
  std::vector<AccessKey> keys;  // none: loopback only, and any well-formed signature
  std::string tls_certificate;  // files in PEM; empty: one of the data directory's own
  std::string tls_key;
  std::string admin = "127.0.0.1:4601";
  std::string host;  // empty: this machine's name
  std::string endpoint = "http://127.0.0.1:4566";
  std::string ca;  // a file in PEM; empty: whom this system trusts
  std::string region = "us-east-1";
  std::string access_key = "spillway";
  std::string secret_key = "spillway";
  std::string credentials;  // empty: the two above
  std::string stream = "telemetry";
  std::vector<std::string> streams;
  std::string kind = "spillway";  // or "amazon"
  bool origins = true;
  bool aggregate = true;
  std::int64_t shards = 0;
  bool host_metrics = true;
  std::int64_t interval_ms = 1000;
  std::int64_t top_processes = 10;
  std::vector<std::string> files = {"/var/log/syslog", "/var/log/messages", "/var/log/auth.log",
                                    "/var/log/kern.log", "/var/log/dpkg.log"};
  std::vector<std::string> files_multiline;
  std::int64_t spool_mib = 4096;
  std::string when_full = "reject";  // or "drop_oldest"
  std::int64_t keep_seconds = 600;
  std::int64_t copies = 1;
  std::int64_t runway_alarm_seconds = 3600;
  std::int64_t threads = 0;  // 0: one per core
  std::int64_t connections_max = 10'000;
  std::int64_t drain_seconds = 10;
  std::string canary_stream = "spillway-canary";
  bool returns = true;
  std::int64_t return_seconds = 60;
  std::string catch_up = "oldest_first";  // or "live_first"
  std::int64_t linger_ms = 0;
  std::string approval = "none";       // or "grant"
  std::vector<std::string> approvers;  // "NAME=ed25519:KEY"
  std::vector<TargetConfig> targets;   // in order of preference; none: `endpoint` alone
};
// Where the broker delivers to: its targets with everything filled in, or the one that
// `broker.endpoint` is, named "default".
std::vector<TargetConfig> targets_of(const BrokerConfig& config);

// Of the file that was read.
enum class FileEnd {
  kWhole,  // a line's end; or there is no file
  kEmpty,  // it says nothing
  kCut,    // within a line
};

struct Config {
  FileEnd file_end = FileEnd::kWhole;
  LogConfig log;
  ServeConfig serve;
  BrokerConfig broker;
};

// A key whose value is one text, number, switch or list of texts. `field` finds it in a Config.
struct ConfigKey {
  using Field = std::variant<std::string& (*)(Config&), std::int64_t& (*)(Config&),
                             bool& (*)(Config&), std::vector<std::string>& (*)(Config&)>;
  std::string_view name;  // "serve.listen"; its variable is SPILLWAY_SERVE_LISTEN
  Field field;
  std::string_view meaning;
  std::string_view choices = {};  // of a text: "none|aws"; empty: any
  std::int64_t min = 0;           // of a number
  std::int64_t max = 0;
  bool reloaded = false;  // SIGHUP applies a change; others need a restart
};

std::span<const ConfigKey> config_keys();
// "SPILLWAY_SERVE_LISTEN" for "serve.listen".
std::string variable_of(std::string_view key);
// As it would stand in the file: "\"text\"", "10", "true", "[\"a\"]".
std::string value_text(const ConfigKey& key, const Config& config);

// One value from outside the file. Lists are separated by commas.
struct ConfigOverride {
  std::string key;  // "serve.listen"
  std::string value;
  std::string source;  // "--listen" or "SPILLWAY_SERVE_LISTEN", for messages
};

// What the environment overrides. A SPILLWAY_ variable of a known table that names no key is an
// error; other SPILLWAY_ variables are not ours to judge.
Result<std::vector<ConfigOverride>> overrides_from(
    const std::map<std::string, std::string>& environment);

// The defaults, then the file's text (TOML; may be empty), then the overrides in their order.
// kInvalid names the file and line or the override, what is wrong, and the nearest known key.
Result<Config> make_config(std::string_view file_text, std::string_view file_name,
                           std::span<const ConfigOverride> overrides);

// Whether its keys fit together: kInvalid says which ones don't. make_config() has asked.
Status check_config(const Config& config);

FileEnd end_of_file(std::string_view file_text);

io::LogFormat log_format(const LogConfig& config);
io::LogLevel log_level(const LogConfig& config);

}  // namespace spillway::server
