#include "server/otlp_input.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "auth/canonical_request.h"
#include "broker/json_object.h"
#include "broker/otlp_json.h"
#include "broker/otlp_records.h"
#include "server/ordered_put.h"
#include "wire/protobuf.h"

namespace spillway::server {
namespace {

using broker::OtlpEncoding;
using broker::OtlpSignal;

constexpr std::size_t kHeldMax = std::size_t{512} << 20;
constexpr std::string_view kTooLarge = "they are larger than a record may be, 1 MiB";

struct Signal {
  std::string_view path;
  OtlpSignal signal;
  std::string OtlpStreams::*stream;
  std::string_view rejected;  // their number's name in an answer in JSON
};
constexpr Signal kSignals[] = {
    {"/v1/logs", OtlpSignal::kLogs, &OtlpStreams::logs, "rejectedLogRecords"},
    {"/v1/metrics", OtlpSignal::kMetrics, &OtlpStreams::metrics, "rejectedDataPoints"},
    {"/v1/traces", OtlpSignal::kTraces, &OtlpStreams::traces, "rejectedSpans"},
};

// What a request asks for, before its body.
struct Asked {
  const Signal* signal = nullptr;
  OtlpEncoding encoding = OtlpEncoding::kJson;
  bool packed = false;  // by gzip
};

std::optional<OtlpEncoding> encoding_of(const std::string* content_type) {
  if (content_type == nullptr) return std::nullopt;
  auto type = std::string_view(*content_type);
  type = auth::trimmed(type.substr(0, type.find(';')));
  if (wire::equal_ignoring_case(type, "application/x-protobuf")) return OtlpEncoding::kProtobuf;
  if (wire::equal_ignoring_case(type, "application/json")) return OtlpEncoding::kJson;
  return std::nullopt;
}

wire::Response response(OtlpEncoding encoding, int status, std::string_view body) {
  wire::Response response;
  response.status = status;
  const bool json = encoding == OtlpEncoding::kJson;
  response.headers.push_back(
      {"Content-Type", json ? "application/json" : "application/x-protobuf"});
  if (status == 503) response.headers.push_back({"Retry-After", "1"});
  response.body.push_back(SharedBytes::copy_of(body));
  return response;
}

// A google.rpc.Status.
wire::Response refusal(OtlpEncoding encoding, int status, std::string_view why) {
  if (encoding == OtlpEncoding::kJson)
    return response(encoding, status, broker::JsonObject().add("message", why).text());
  std::string message;
  wire::append_bytes(message, 2, why);
  return response(encoding, status, message);
}

// Exporters send again what is answered with 503, and nothing else: 429, which OTLP has too, makes
// Python's drop it.
constexpr int kTryAgain = 503;

wire::Response refusal(OtlpEncoding encoding, const CallerRefusal& why) {
  auto answer = refusal(encoding, why.status == 429 ? kTryAgain : why.status, why.message);
  why.add_headers(answer);
  return answer;
}

// Export…ServiceResponse: empty where all is accepted.
wire::Response success(const Asked& asked, std::size_t rejected) {
  std::string body;
  if (asked.encoding == OtlpEncoding::kProtobuf) {
    if (rejected > 0) {
      const auto begun = wire::begin_message(body, 1);
      wire::append_integer(body, 1, rejected);
      wire::append_bytes(body, 2, kTooLarge);
      wire::end_message(body, begun);
    }
  } else {
    broker::JsonObject answer;
    if (rejected > 0) {
      broker::JsonObject partial;
      partial.add(asked.signal->rejected, std::to_string(rejected)).add("errorMessage", kTooLarge);
      answer.add_raw("partialSuccess", partial.text());
    }
    body = answer.text();
  }
  return response(asked.encoding, 200, body);
}

int status_of(ErrorCode why) {
  if (why == ErrorCode::kInvalid) return 400;
  return why == ErrorCode::kNoSpace ? 413 : kTryAgain;
}

}  // namespace

// One request. Owned by the connection while the body arrives, then by its task.
class OtlpInput::Call final : public BodyReader, public std::enable_shared_from_this<Call> {
 public:
  Call(OtlpInput& input, io::EventLoop& loop, InputCaller caller, Asked asked, Responder responder)
      : input_(input),
        loop_(loop),
        caller_(std::move(caller)),
        asked_(asked),
        responder_(std::move(responder)),
        held_(input.held_) {}

  void on_body(std::string_view bytes) override { body_.append(bytes); }
  void on_end() override {
    stream_ = input_.stream_of(asked_.signal->stream);
    if (const auto why = caller_.check_whole(stream_, body_.size()))
      return responder_.respond(refusal(asked_.encoding, *why));
    start(handle(shared_from_this()), UniqueFunction<void(wire::Response)>(
                                          [self = shared_from_this()](wire::Response response) {
                                            self->caller_.pay(response);
                                            self->responder_.respond(std::move(response));
                                          }));
  }

 private:
  static Task<wire::Response> handle(std::shared_ptr<Call> self) {
    auto taken = co_await take(self);
    if (taken.ok()) co_return success(self->asked_, *taken);
    co_return refusal(self->asked_.encoding, status_of(taken.error().code), taken.error().message);
  }

  // How many records were too large; all others are in the spool.
  static Task<Result<std::size_t>> take(std::shared_ptr<Call> self) {
    auto& counts = self->input_.counts_;
    if (self->asked_.packed) {
      auto inflated =
          co_await inflate(&self->loop_, &self->body_, &self->held_, broker::kOtlpBodyPadding);
      if (!inflated.ok()) co_return std::move(inflated).error();
      self->caller_.pay(self->body_.size());
    }
    auto read = self->read();
    if (!read.ok()) {
      if (read.error().code != ErrorCode::kThrottled) counts.malformed.add();
      co_return std::move(read).error();
    }
    auto all = *std::move(read);
    counts.malformed.add(all.too_large);
    const auto outcomes = co_await put_in_order(&self->loop_, &self->input_.spool_, self->stream_,
                                                std::move(all.records));
    const auto failed = std::ranges::find_if(outcomes, [](const auto& one) { return !one.ok(); });
    const auto refused = static_cast<std::size_t>(
        std::ranges::count_if(outcomes, [](const auto& one) { return !one.ok(); }));
    counts.records.add(outcomes.size() - refused);
    counts.refused.add(refused);
    // All of it is sent again then.
    if (failed != outcomes.end()) co_return Error{ErrorCode::kThrottled, failed->error().message};
    co_return all.too_large;
  }

  Result<broker::OtlpRecords> read() {
    body_.reserve(body_.size() + broker::kOtlpBodyPadding);
    ByteBudget::Share reading(input_.held_);
    if (asked_.encoding == OtlpEncoding::kJson &&
        !reading.take(broker::otlp_json_bytes_max(body_.size())))
      return Error{ErrorCode::kThrottled, "Too many requests are under way"};
    return broker::read_otlp(asked_.signal->signal, asked_.encoding, body_,
                             [this](std::size_t bytes) { return held_.take(bytes); });
  }

  OtlpInput& input_;
  io::EventLoop& loop_;
  InputCaller caller_;
  const Asked asked_;
  std::string stream_;  // of the signal, once the body is whole
  Responder responder_;
  std::string body_;
  ByteBudget::Share held_;
};

OtlpInput::OtlpInput(broker::Spool& spool, const InputStreams& streams, metrics::Registry& metrics,
                     InputAccess& access)
    : spool_(spool),
      streams_(streams.otlp),
      access_(access),
      counts_(metrics, "otlp"),
      held_(kHeldMax) {}

OtlpInput::~OtlpInput() = default;

void OtlpInput::set_streams(const InputStreams& streams) {
  const std::lock_guard lock(mutex_);
  streams_ = streams.otlp;
}

std::string OtlpInput::stream_of(std::string OtlpStreams::*signal) const {
  const std::lock_guard lock(mutex_);
  return streams_.*signal;
}

std::unique_ptr<BodyReader> OtlpInput::on_request(io::EventLoop& loop, Peer peer,
                                                  wire::RequestHead head, Responder responder) {
  Asked asked;
  const auto refused = [&](int status, std::string_view why) {
    responder.respond(refusal(asked.encoding, status, why));
    return nullptr;
  };
  const auto encoding = encoding_of(head.find("content-type"));
  asked.encoding = encoding.value_or(OtlpEncoding::kJson);
  const std::string_view path = std::string_view(head.target).substr(0, head.target.find('?'));
  const auto* const signal = std::ranges::find(kSignals, path, &Signal::path);
  const bool known = signal != std::end(kSignals);
  InputCaller caller(access_, loop, peer, head);
  if (const auto why = caller.check(known ? stream_of(signal->stream) : "")) {
    responder.respond(refusal(asked.encoding, *why));
    return nullptr;
  }
  if (!known)
    return refused(404, "There is nothing here: POST to /v1/logs, /v1/metrics or /v1/traces");
  asked.signal = signal;
  if (head.method != "POST") return refused(405, "OTLP is sent by POST");
  if (!encoding) {
    return refused(415, "The content type must be application/x-protobuf or application/json");
  }
  const auto packed = is_packed(head);
  if (!packed) return refused(415, "The only Content-Encoding that is accepted is gzip, once");
  asked.packed = *packed;
  return std::make_unique<SharedReader>(
      std::make_shared<Call>(*this, loop, std::move(caller), asked, std::move(responder)));
}

wire::Response OtlpInput::refuse(Refusal why) {
  if (why == Refusal::kPlainHttp)
    return refusal(OtlpEncoding::kJson, kPlainHttpStatus, kPlainHttpRefusal);
  return refusal(OtlpEncoding::kJson, 503, "There is no memory for the request: try again");
}

}  // namespace spillway::server
