// `spillway bench`: puts a measured load on any Kinesis endpoint, or on one that takes OTLP.
//
// Requests are signed ahead and sent many times, so that one thread can keep a server busy.
// Closed loop (rate 0): each connection sends its next request when the last is answered. Open
// loop: requests fall due at a fixed rate whatever the server does, and a latency counts from the
// moment a request fell due, not from when a connection was free for it (no coordinated omission).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "auth/sigv4.h"
#include "base/result.h"
#include "base/time.h"
#include "client/endpoint.h"
#include "io/tls.h"
#include "metrics/histogram.h"
#include "wire/document_writer.h"

namespace spillway::client {

enum class LoadKind {
  kPutRecords,
  kPutRecord,
  kGetRecords,  // each connection reads one shard, over and over
  kPutToRead,   // PutRecord at a rate, one reader per shard at the tip; latency from due to read
  kSubscribe,   // PutRecords at a rate, `consumers` that are subscribed to every shard; from due to
                // event
  kOtlpLogs,    // POST /v1/logs as OpenTelemetry's exporters do, unsigned
};

struct LoadOptions {
  Endpoint endpoint;
  std::shared_ptr<io::TlsContext> tls;  // whom to trust, where the endpoint is https
  // kPutToRead and kSubscribe: puts go here, to a broker say, that delivers to `endpoint`.
  std::optional<Endpoint> put_endpoint;
  std::shared_ptr<io::TlsContext> put_tls;
  std::string region;
  auth::Credentials credentials;
  std::string stream;
  LoadKind kind = LoadKind::kPutRecords;
  wire::Format format = wire::Format::kJson;  // of puts and subscriptions; CBOR 1.1 is the other
  std::uint32_t connections = 8;
  // At once on each connection, at most 100; a consumer's subscriptions share one. 0: HTTP/1.1,
  // with a connection for each subscription.
  std::uint32_t http2_requests = 0;
  std::uint32_t records_per_request = 500;
  std::uint32_t record_bytes = 1024;  // of data; of a log record in protobuf about that
  std::uint32_t consumers = 20;       // of kSubscribe, registered as bench-0, bench-1, …
  // Puts go to this part of the hash keys alone, by ExplicitHashKey; [0, 1): their keys' own hash.
  double hash_from = 0;
  double hash_below = 1;
  double requests_per_second = 0;  // 0: closed loop
  bool from_trim_horizon = true;   // kGetRecords: else from the tip
  seconds warm_up{1};              // not measured
  seconds duration{5};
};

struct LoadReport {
  nanoseconds elapsed{0};
  std::uint64_t requests = 0;        // answered with 200
  std::uint64_t records = 0;         // put or read
  std::uint64_t payload_bytes = 0;   // of data, before base64
  std::uint64_t failed_records = 0;  // of PutRecords answers, and of OTLP's partial success
  std::uint64_t errors = 0;          // answers other than 200, and broken connections
  std::string first_error;
  double cpu_seconds = 0;  // of the load generator itself
  std::unique_ptr<metrics::Histogram> latency;
};

// Runs the load on a loop of its own, on the calling thread.
Result<LoadReport> run_load(const LoadOptions& options);

std::string to_json(const LoadOptions& options, const LoadReport& report);
std::string to_text(const LoadOptions& options, const LoadReport& report);

}  // namespace spillway::client
