// What becomes of those who call, by whatever protocol: the rates of their keys, what is counted,
// and the audit log.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "auth/audit_log.h"
#include "io/entropy.h"
#include "io/event_log.h"
#include "kinesis/operation.h"
#include "metrics/registry.h"

namespace spillway::server {

// Random; as in the answer's x-amzn-RequestId.
std::string make_request_id(io::Entropy& entropy);

// Any thread. What it is handed outlives it.
class CallAudit {
 public:
  CallAudit(auth::AuditLog& audit_log, metrics::Registry& metrics, io::EventLog& log);

  // Whether the rate of the caller's key lets a request go on that has so many bytes of body.
  bool take_request(const kinesis::Call& call, std::size_t body_bytes);
  // More bytes: of a body that was packed, or of the answer.
  static void pay(const kinesis::Call& call, std::size_t bytes);
  // Of a caller who isn't known.
  void count_unknown() { refused_signatures_.add(); }
  // By a policy.
  void count_denied() { denied_.add(); }
  // A line in the audit log.
  void note(const kinesis::Call& call, std::string action, auth::AuditOutcome outcome,
            std::string_view error, std::string_view message);

 private:
  auth::AuditLog& audit_log_;
  io::EventLog& log_;
  metrics::Counter& refused_signatures_;
  metrics::Counter& denied_;
  metrics::Counter& throttled_;
};

}  // namespace spillway::server
