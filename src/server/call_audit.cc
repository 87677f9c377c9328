#include "server/call_audit.h"

#include <array>
#include <utility>

#include "auth/keys.h"
#include "base/digest.h"

namespace spillway::server {

std::string make_request_id(io::Entropy& entropy) {
  std::array<unsigned char, 16> bytes{};
  entropy.fill(bytes);
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0f) | 0x40);  // RFC 9562, version 4
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3f) | 0x80);
  std::string id = to_hex(bytes);
  for (const std::size_t at : {8, 13, 18, 23}) id.insert(at, "-");
  return id;
}

CallAudit::CallAudit(auth::AuditLog& audit_log, metrics::Registry& metrics, io::EventLog& log)
    : audit_log_(audit_log),
      log_(log),
      refused_signatures_(
          metrics.counter("spillway_api_refused_signatures_total",
                          "Requests without a signature, or an access key, that is accepted")),
      denied_(metrics.counter("spillway_api_denied_total", "Requests that no policy allowed")),
      throttled_(metrics.counter("spillway_api_key_throttled_total",
                                 "Requests beyond the rate of their access key")) {}

bool CallAudit::take_request(const kinesis::Call& call, std::size_t body_bytes) {
  if (call.key == nullptr || call.key->limiter == nullptr) return true;
  auto& limiter = *call.key->limiter;
  const bool passes = limiter.take_request(call.loop->mono_now());
  limiter.pay(body_bytes);
  if (!passes) throttled_.add();
  return passes;
}

void CallAudit::pay(const kinesis::Call& call, std::size_t bytes) {
  if (call.key != nullptr && call.key->limiter != nullptr) call.key->limiter->pay(bytes);
}

void CallAudit::note(const kinesis::Call& call, std::string action, auth::AuditOutcome outcome,
                     std::string_view error, std::string_view message) {
  if (outcome == auth::AuditOutcome::kDenied) {
    log_.write(io::LogLevel::kDebug, "request denied",
               {{"action", action},
                {"request_id", call.request_id},
                {"key", call.access_key},
                {"error", error}});
  }
  auth::AuditEvent event;
  event.time = call.loop->wall_now();
  event.request_id = call.request_id;
  event.access_key = call.access_key;
  if (call.key != nullptr) event.user = call.key->user();
  event.authenticated = call.key != nullptr;
  event.peer = call.peer;
  event.secure = call.secure;
  event.action = std::move(action);
  event.resource = call.resource;
  event.outcome = outcome;
  event.error = error;
  event.message = message;
  event.user_agent = call.user_agent;
  audit_log_.write(event);
}

}  // namespace spillway::server
