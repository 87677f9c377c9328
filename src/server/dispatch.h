// From an HTTP request to an operation of the API: checks in the order in which the API makes them
// (method and content type, body, operation, signature), calls the handler, and answers.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "auth/sigv4.h"
#include "io/entropy.h"
#include "kinesis/service.h"
#include "server/http_server.h"

namespace spillway::server {

struct DispatchOptions {
  std::string region = "us-east-1";
  std::size_t calls_max = 4096;  // under way at a time; one more is turned away
};

class Dispatch final : public RequestHandler {
 public:
  // What it is handed outlives it. `loops` are those that call it.
  Dispatch(DispatchOptions options, std::span<io::EventLoop* const> loops,
           kinesis::Service& service, std::shared_ptr<const auth::KeyTable> keys,
           io::Entropy& entropy, metrics::Registry& metrics);
  ~Dispatch() override;

  std::unique_ptr<BodyReader> on_request(io::EventLoop& loop, Peer peer, wire::RequestHead head,
                                         Responder responder) override;
  wire::Response refuse(Refusal why) override;

  // For requests that arrive from now on. From any thread while the loops run.
  void set_keys(const std::shared_ptr<const auth::KeyTable>& keys);

 private:
  class ApiCall;
  struct OperationMetrics;

  const DispatchOptions options_;
  kinesis::Service& service_;
  io::Entropy& entropy_;
  metrics::Registry& metrics_;
  struct Verifiers {
    auth::Verifier kinesis;
    auth::Verifier caller_identity;
  };
  std::map<io::EventLoop*, std::unique_ptr<Verifiers>> verifiers_;
  std::map<std::string, std::unique_ptr<OperationMetrics>, std::less<>> operation_metrics_;
  metrics::Counter& refused_signatures_;
  std::atomic<std::size_t> calls_{0};
  std::atomic<std::size_t> reserved_{0};  // bytes, for bodies of calls under way
};

}  // namespace spillway::server
