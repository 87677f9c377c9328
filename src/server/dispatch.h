// From an HTTP request to an operation of the API: checks in the order in which the API makes them
// (method and content type, body, operation, signature, the key's rate), calls the handler,
// answers, and tells the audit log what became of it.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "auth/audit_log.h"
#include "auth/sigv4.h"
#include "io/entropy.h"
#include "kinesis/service.h"
#include "server/call_audit.h"
#include "server/http_server.h"

namespace spillway::server {

struct DispatchOptions {
  std::string region = "us-east-1";
  std::size_t calls_max = 4096;  // under way at a time, once whole; one more is turned away
  // Those that there are; empty: all. What a caller of another one is told.
  std::span<const std::string_view> operations = {};
  std::string_view no_others = {};
};

class Dispatch final : public RequestHandler {
 public:
  // What it is handed outlives it. `loops` are those that call it.
  Dispatch(DispatchOptions options, std::span<io::EventLoop* const> loops,
           kinesis::Service& service, std::shared_ptr<const auth::KeyTable> keys,
           auth::AuditLog& audit_log, io::Entropy& entropy, metrics::Registry& metrics,
           io::EventLog& log);
  ~Dispatch() override;

  std::unique_ptr<BodyReader> on_request(io::EventLoop& loop, Peer peer, wire::RequestHead head,
                                         Responder responder) override;
  wire::Response refuse(Refusal why) override;

  // For requests that are whole from now on. From any thread while the loops run; `done` is called
  // when they all go by the new keys, on any thread.
  void set_keys(const std::shared_ptr<const auth::KeyTable>& keys,
                UniqueFunction<void()> done = nullptr);

 private:
  class ApiCall;
  struct OperationMetrics;

  const DispatchOptions options_;
  kinesis::Service& service_;
  CallAudit callers_;
  io::Entropy& entropy_;
  metrics::Registry& metrics_;
  io::EventLog& log_;
  auth::RateLimiter failures_told_{{.requests_per_second = 10}};
  struct Verifiers {
    auth::Verifier kinesis;
    auth::Verifier caller_identity;
  };
  std::map<io::EventLoop*, std::unique_ptr<Verifiers>> verifiers_;
  std::map<std::string, std::unique_ptr<OperationMetrics>, std::less<>> operation_metrics_;
  std::atomic<std::size_t> calls_{0};
  std::atomic<std::size_t> reserved_{0};  // bytes, for bodies of calls under way
  std::atomic<std::size_t> inflated_{0};  // bytes, of bodies that came in gzip
};

}  // namespace spillway::server
