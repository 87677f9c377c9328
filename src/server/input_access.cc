#include "server/input_access.h"

#include <utility>

#include "kinesis/authorization.h"

namespace spillway::server {
namespace {

constexpr std::string_view kOperation = "PutRecords";
constexpr std::string_view kAction = "kinesis:PutRecords";

std::optional<std::string> copy_of(const std::string* header) {
  return header != nullptr ? std::optional(*header) : std::nullopt;
}

}  // namespace

void InputAccess::set_keys(KeyTableRef keys) {
  const std::lock_guard lock(mutex_);
  keys_ = std::move(keys);
}

KeyTableRef InputAccess::keys() const {
  const std::lock_guard lock(mutex_);
  return keys_;
}

void CallerRefusal::add_headers(wire::Response& response) const {
  response.headers.push_back({"x-amzn-RequestId", request_id});
  if (status == 401)
    response.headers.push_back({"WWW-Authenticate", R"(Basic realm="spillway", charset="UTF-8")"});
}

InputCaller::InputCaller(InputAccess& access, io::EventLoop& loop, Peer peer,
                         const wire::RequestHead& head)
    : access_(access),
      exposed_(peer.exposed),
      authorization_(copy_of(head.find("authorization"))),
      session_token_(copy_of(head.find("x-amz-security-token")).value_or("")) {
  call_.operation = kOperation;
  call_.loop = &loop;
  call_.peer = peer.host();
  call_.secure = peer.secure;
  if (const auto* agent = head.find("user-agent")) call_.user_agent = *agent;
}

std::optional<CallerRefusal> InputCaller::check(std::string_view stream) {
  const auto keys = access_.keys();
  auto verdict = auth::verify_basic(
      *keys, {authorization_ ? &*authorization_ : nullptr, session_token_}, call_.loop->wall_now());
  if (exposed_ && keys->accepts_any()) verdict = auth::no_key_yet("");
  if (const auto* error = std::get_if<auth::AuthError>(&verdict)) {
    call_.key = nullptr;
    call_.access_key = error->access_key;
    access_.audit_.count_unknown();
    const bool fault = error->type == auth::AuthErrorType::kInternalFailure;
    return turned_away(fault ? 503 : 401, to_string(error->type), error->message);
  }
  const auto& caller = std::get<auth::Caller>(verdict);
  call_.access_key = caller.access_key;
  call_.key = caller.key;
  if (call_.key == nullptr || stream.empty()) return std::nullopt;
  call_.resource = kinesis::stream_arn(access_.options_, stream);
  // A stream of the spool has no policy of its own.
  auto denied = kinesis::check_policies(access_.options_, call_, kAction, nullptr);
  if (!denied) return std::nullopt;
  access_.audit_.count_denied();
  return turned_away(403, denied->error_type, std::move(denied->error_message));
}

std::optional<CallerRefusal> InputCaller::check_whole(std::string_view stream,
                                                      std::size_t body_bytes) {
  if (auto refusal = check(stream)) return refusal;
  if (access_.audit_.take_request(call_, body_bytes)) return std::nullopt;
  return CallerRefusal{429, "The rate of the access key is exceeded",
                       make_request_id(access_.entropy_)};
}

void InputCaller::pay(const wire::Response& answer) const {
  for (const auto& part : answer.body) pay(part.size());
}

CallerRefusal InputCaller::turned_away(int status, std::string_view error, std::string message) {
  call_.request_id = make_request_id(access_.entropy_);
  access_.audit_.note(call_, std::string(kAction), auth::AuditOutcome::kDenied, error, message);
  return {status, std::move(message), call_.request_id};
}

}  // namespace spillway::server
