// The broker's OTLP input: POST /v1/logs, /v1/metrics and /v1/traces as OpenTelemetry's exporters
// send it over HTTP, in protobuf or JSON (broker/otlp_records.h). The answer comes when all of it
// is durable in the spool, in the encoding of the request.
//
// Who may send is as with the HTTP input: whoever has an access key, or this machine where there
// are none. It takes content types that a web page of another origin can't send without being asked
// for leave first.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "broker/input_metrics.h"
#include "broker/spool.h"
#include "metrics/registry.h"
#include "server/http_port.h"
#include "server/input_access.h"
#include "server/input_body.h"

namespace spillway::server {

// Each request on its connection's loop. What it is handed outlives it.
class OtlpInput final : public InputHandler {
 public:
  OtlpInput(broker::Spool& spool, const InputStreams& streams, metrics::Registry& metrics,
            InputAccess& access);
  ~OtlpInput() override;

  void set_streams(const InputStreams& streams) override;
  std::unique_ptr<BodyReader> on_request(io::EventLoop& loop, Peer peer, wire::RequestHead head,
                                         Responder responder) override;
  wire::Response refuse(Refusal why) override;

 private:
  class Call;

  std::string stream_of(std::string OtlpStreams::*signal) const;

  broker::Spool& spool_;
  mutable std::mutex mutex_;  // of streams_
  OtlpStreams streams_;
  InputAccess& access_;
  broker::InputMetrics counts_;
  ByteBudget held_;  // of bodies that were packed, of reading them, and of records
};

}  // namespace spillway::server
