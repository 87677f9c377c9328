// The broker's OTLP input: POST /v1/logs, /v1/metrics and /v1/traces as OpenTelemetry's exporters
// send it over HTTP, in protobuf or JSON (broker/otlp_records.h). The answer comes when all of it
// is durable in the spool, in the encoding of the request.
//
// Like the HTTP input it is unsigned, for loopback alone, and takes content types that a web page
// of another origin can't send without being asked for leave first.
#pragma once

#include <memory>
#include <string>

#include "broker/input_metrics.h"
#include "broker/spool.h"
#include "metrics/registry.h"
#include "server/http_server.h"
#include "server/input_body.h"

namespace spillway::server {

// Where what an input takes goes: streams of the spool, as opened.
struct OtlpStreams {
  std::string logs;
  std::string metrics;
  std::string traces;
};

// Each request on its connection's loop. What it is handed outlives it.
class OtlpInput final : public RequestHandler {
 public:
  OtlpInput(broker::Spool& spool, OtlpStreams streams, metrics::Registry& metrics);
  ~OtlpInput() override;

  std::unique_ptr<BodyReader> on_request(io::EventLoop& loop, Peer peer, wire::RequestHead head,
                                         Responder responder) override;
  wire::Response refuse(Refusal why) override;

 private:
  class Call;

  broker::Spool& spool_;
  const OtlpStreams streams_;
  broker::InputMetrics counts_;
  ByteBudget held_;  // of bodies that were packed, of reading them, and of records
};

}  // namespace spillway::server
