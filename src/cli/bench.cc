// spillway bench KIND: a load on any Kinesis endpoint or one of OTLP, and this machine's own
// limits.
#include <cstdio>
#include <cstdlib>

#include <CLI/CLI.hpp>

#include "cli/api_flags.h"
#include "cli/command.h"
#include "cli/machine_limits.h"
#include "cli/text_output.h"
#include "client/load.h"
#include "client/trust.h"
#include "io/posix_disk.h"

namespace spillway::cli {
namespace {

struct BenchOptions {
  std::string kind;
  std::string endpoint = "http://127.0.0.1:4566";
  std::string put_endpoint;
  std::string authority_file;
  std::string directory = ".";
  std::string duration = "5s";
  std::string warm_up = "1s";
  bool json = false;
  bool cbor = false;
  bool from_tip = false;
  client::LoadOptions load;
};

// "20s", "5m" or plain seconds.
Result<seconds> parse_seconds(const std::string& text) {
  std::size_t used = 0;
  long value = 0;
  for (; used < text.size() && text[used] >= '0' && text[used] <= '9' && value < 1'000'000; ++used)
    value = value * 10 + (text[used] - '0');
  const std::string unit = text.substr(used);
  if (used == 0 || (unit != "s" && unit != "m" && !unit.empty()))
    return Error{ErrorCode::kInvalid, "'" + text + "' is not a duration; write 20s or 5m"};
  return seconds(unit == "m" ? value * 60 : value);
}

Result<client::LoadKind> parse_kind(const std::string& kind) {
  if (kind == "put-records") return client::LoadKind::kPutRecords;
  if (kind == "put-record") return client::LoadKind::kPutRecord;
  if (kind == "get-records") return client::LoadKind::kGetRecords;
  if (kind == "put-to-read") return client::LoadKind::kPutToRead;
  if (kind == "subscribe") return client::LoadKind::kSubscribe;
  if (kind == "otlp-logs") return client::LoadKind::kOtlpLogs;
  return Error{ErrorCode::kInvalid, "'" + kind + "' is not a kind of load"};
}

Status fill_in(BenchOptions& options) {
  SPILLWAY_ASSIGN(options.load.kind, parse_kind(options.kind));
  SPILLWAY_ASSIGN(options.load.endpoint, client::parse_endpoint(options.endpoint));
  io::PosixDisk disk;
  SPILLWAY_ASSIGN(options.load.tls,
                  client::trust_for(disk, options.load.endpoint, options.authority_file));
  if (!options.put_endpoint.empty()) {
    SPILLWAY_ASSIGN(options.load.put_endpoint, client::parse_endpoint(options.put_endpoint));
    SPILLWAY_ASSIGN(options.load.put_tls,
                    client::trust_for(disk, *options.load.put_endpoint, options.authority_file));
  }
  SPILLWAY_ASSIGN(options.load.duration, parse_seconds(options.duration));
  SPILLWAY_ASSIGN(options.load.warm_up, parse_seconds(options.warm_up));
  options.load.from_trim_horizon = !options.from_tip;
  if (options.cbor) options.load.format = wire::Format::kCbor;
  const bool by_rate = options.load.kind == client::LoadKind::kPutToRead ||
                       options.load.kind == client::LoadKind::kSubscribe;
  if (by_rate && options.load.requests_per_second <= 0) options.load.requests_per_second = 1000;
  if (options.load.hash_from >= options.load.hash_below)
    return Error{ErrorCode::kInvalid, "--hash-from must be below --hash-below"};
  options.load.credentials.access_key = environment("AWS_ACCESS_KEY_ID", "bench");
  options.load.credentials.secret_key = environment("AWS_SECRET_ACCESS_KEY", "bench");
  return {};
}

int run_bench(BenchOptions& options) {
  if (options.kind == "machine") {
    auto limits = measure_machine(options.directory);
    if (!limits.ok()) return fail(limits.error());
    std::printf("%s\n", to_json(*limits).c_str());
    return kExitOk;
  }
  if (auto filled = fill_in(options); !filled.ok()) return fail(filled.error());
  auto report = client::run_load(options.load);
  if (!report.ok()) {
    Error error = context("bench " + options.kind, std::move(report).error());
    error.message = printable(error.message);
    return fail(error);
  }
  const std::string text = options.json ? client::to_json(options.load, *report) + "\n"
                                        : client::to_text(options.load, *report);
  std::fputs(text.c_str(), stdout);
  return report->requests == 0 ? kExitFailed : kExitOk;
}

}  // namespace

CommandRun declare_bench(CLI::App& app) {
  auto options = std::make_shared<BenchOptions>();
  auto& load = options->load;
  app.add_option(
         "kind", options->kind,
         "put-records, put-record, get-records, put-to-read, subscribe, otlp-logs (to a broker, "
         "say), or machine (its own limits)")
      ->required()
      ->check(CLI::IsMember({"put-records", "put-record", "get-records", "put-to-read", "subscribe",
                             "otlp-logs", "machine"}));
  app.add_option("--endpoint", options->endpoint, "Any Kinesis endpoint, or one of OTLP over HTTP")
      ->capture_default_str();
  app.add_option("--put-endpoint", options->put_endpoint,
                 "put-to-read and subscribe: puts go to this one, a broker say that delivers to "
                 "--endpoint");
  options->authority_file = environment("AWS_CA_BUNDLE", "");
  app.add_option("--ca", options->authority_file,
                 "https: certificates to trust, instead of the system's");
  load.region = environment("AWS_REGION", "us-east-1");
  app.add_option("--region", load.region, "Of the signatures")->capture_default_str();
  load.stream = "bench";
  app.add_option("--stream", load.stream, "An existing stream")->capture_default_str();
  app.add_option("--connections", load.connections)
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000));
  app.add_option(
         "--http2", load.http2_requests,
         "HTTP/2, with so many requests at once on each connection; a consumer's subscriptions "
         "share one")
      ->check(CLI::Range(1, 100));
  app.add_flag("--cbor", options->cbor, "Puts and subscriptions in CBOR 1.1, not in JSON");
  app.add_option("--consumers", load.consumers,
                 "subscribe: so many, registered as bench-0, bench-1, …, each to every shard")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  app.add_option("--hash-from", load.hash_from,
                 "Put to hash keys from this part of them all on: 0 to 1")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--hash-below", load.hash_below, "And below this one")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--records-per-request", load.records_per_request,
                 "Of put-records, subscribe and otlp-logs")
      ->capture_default_str()
      ->check(CLI::Range(1, 500));
  app.add_option("--record-bytes", load.record_bytes,
                 "Data of a record, before base64; of otlp-logs about what one takes in protobuf")
      ->capture_default_str()
      ->check(CLI::Range(1, 10 << 20));
  app.add_option("--requests-per-second", load.requests_per_second,
                 "Open loop at this rate; without it each connection sends when it was answered")
      ->check(CLI::PositiveNumber);
  app.add_flag("--from-tip", options->from_tip,
               "get-records: begin at the tip, not at the horizon");
  app.add_option("--duration", options->duration, "How long to measure: 20s, 5m")
      ->capture_default_str();
  app.add_option("--warm-up", options->warm_up, "Before measuring")->capture_default_str();
  app.add_option("--data", options->directory, "machine: where to write a test file")
      ->capture_default_str();
  app.add_flag("--json", options->json, "One JSON object on standard output");
  return [options] { return run_bench(*options); };
}

}  // namespace spillway::cli
