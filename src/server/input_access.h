// Who may put records by the broker's inputs over HTTP whose clients sign nothing: whoever sends
// one of the broker's access keys by HTTP Basic (auth/basic.h), as far as its policy lets it put to
// the stream by PutRecords. Without keys, anybody on this machine.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "auth/basic.h"
#include "io/entropy.h"
#include "io/event_loop.h"
#include "kinesis/service.h"
#include "server/access_keys.h"
#include "server/call_audit.h"
#include "server/http_server.h"
#include "wire/http.h"

namespace spillway::server {

// Any thread. What it is handed outlives it.
class InputAccess {
 public:
  // `options`: region and account of the streams' ARNs.
  InputAccess(kinesis::ServiceOptions options, KeyTableRef keys, CallAudit& audit,
              io::Entropy& entropy)
      : options_(std::move(options)), audit_(audit), entropy_(entropy), keys_(std::move(keys)) {}

  // Good for every request whose body isn't whole yet.
  void set_keys(KeyTableRef keys);

 private:
  friend class InputCaller;

  KeyTableRef keys() const;

  const kinesis::ServiceOptions options_;
  CallAudit& audit_;
  io::Entropy& entropy_;
  mutable std::mutex mutex_;  // of keys_
  KeyTableRef keys_;
};

// To a request that Refusal::kPlainHttp is about.
inline constexpr int kPlainHttpStatus = 403;
inline constexpr std::string_view kPlainHttpRefusal =
    "This port takes https alone: an access key must not go over the network in the clear";

// Why a caller is turned away, by the status of HTTP: 401 (it isn't known), 403 (it may not), 429
// (beyond its key's rate) or 503 (its key can't be read now).
struct CallerRefusal {
  int status = 401;
  std::string message;
  std::string request_id;  // in the audit log, too

  // With what a response of that status has, whatever its body is.
  void add_headers(wire::Response& response) const;
};

// The caller of one request, from its head to its answer. On the request's loop.
class InputCaller {
 public:
  InputCaller(InputAccess& access, io::EventLoop& loop, Peer peer, const wire::RequestHead& head);

  // Who it is, and, unless `stream` is empty, whether they may put to it.
  std::optional<CallerRefusal> check(std::string_view stream);
  // The same once the body is whole, by the keys of then; and their rate.
  std::optional<CallerRefusal> check_whole(std::string_view stream, std::size_t body_bytes);
  // More bytes that count for the rate: of a body that was packed, or of the answer.
  void pay(std::size_t bytes) const { CallAudit::pay(call_, bytes); }
  void pay(const wire::Response& answer) const;

 private:
  CallerRefusal turned_away(int status, std::string_view error, std::string message);

  InputAccess& access_;
  const bool exposed_;  // Peer::exposed
  kinesis::Call call_;  // as of a PutRecords
  std::optional<std::string> authorization_;
  std::string session_token_;  // empty: none
};

}  // namespace spillway::server
