// The broker's HTTP input: POST /v1/records/STREAM, with a JSON value a line or an array of them
// (broker/http_records.h). The answer comes when all of it is durable in the spool.
//
// It has a port of its own, beside the Kinesis API's: that one answers whatever it doesn't know as
// AWS does, and asks for a signature, which nobody who has only curl can make. Here nothing is
// signed: an access key comes by HTTP Basic (server/input_access.h), and without keys it is for
// loopback alone. It takes its two content types only, which a web page of another origin can't
// send without being asked for leave first.
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "broker/input_metrics.h"
#include "broker/spool.h"
#include "io/entropy.h"
#include "metrics/registry.h"
#include "server/http_port.h"
#include "server/input_access.h"
#include "server/input_body.h"

namespace spillway::server {

// Each request on its connection's loop. What it is handed outlives it.
class HttpInput final : public InputHandler {
 public:
  HttpInput(broker::Spool& spool, const InputStreams& streams, io::Entropy& entropy,
            metrics::Registry& metrics, InputAccess& access);
  ~HttpInput() override;

  void set_streams(const InputStreams& streams) override;
  std::unique_ptr<BodyReader> on_request(io::EventLoop& loop, Peer peer, wire::RequestHead head,
                                         Responder responder) override;
  wire::Response refuse(Refusal why) override;

 private:
  class Call;
  using Streams = std::set<std::string, std::less<>>;

  bool takes(std::string_view stream) const;

  broker::Spool& spool_;
  mutable std::mutex mutex_;  // of streams_
  Streams streams_;
  io::Entropy& entropy_;
  InputAccess& access_;
  broker::InputMetrics counts_;
  ByteBudget inflated_;  // of bodies that were packed
};

}  // namespace spillway::server
