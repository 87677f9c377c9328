#include "server/dispatch.h"

#include <algorithm>
#include <cstring>

#include "auth/keys.h"
#include "base/digest.h"
#include "server/caller_identity.h"
#include "wire/content_type.h"
#include "wire/gzip.h"
#include "wire/kinesis_shapes.h"

namespace spillway::server {

namespace {

constexpr std::string_view kTargetPrefix = "Kinesis_20131202.";
// Smithy's rpc-v2-cbor names the operation in the path.
constexpr std::string_view kRpcPath = "/service/Kinesis_20131202/operation/";
constexpr std::string_view kEventStream = "application/vnd.amazon.eventstream";
constexpr std::size_t kBodyMax = wire::HttpLimits{}.body_bytes;
constexpr std::size_t kReservedMax = std::size_t{1} << 30;
// Of who isn't known, or asks for nothing that there is, no more than that is parsed.
constexpr std::size_t kRefusedBodyMax = std::size_t{64} << 10;
constexpr std::string_view kUnknownOperation = "UnknownOperationException";
constexpr std::size_t kInflatedMax = std::size_t{512} << 20;
constexpr std::size_t kInflateStep = 256 << 10;  // what a loop does at a time, about a millisecond

// Takes over all of the reply but its events.
wire::Response to_response(kinesis::Reply& reply, wire::Format format,
                           const std::string& request_id) {
  wire::Response response;
  response.status = reply.status;
  response.headers = {
      {"x-amzn-RequestId", request_id},
      {"x-amz-id-2", request_id},
      {"Content-Type", std::string(reply.events ? kEventStream : wire::content_type_of(format))}};
  if (format == wire::Format::kRpcCbor)
    response.headers.push_back({"smithy-protocol", "rpc-v2-cbor"});
  if (reply.error_type.empty()) {
    response.body = std::move(reply.body);
  } else {
    response.body.push_back(kinesis::error_document(format, reply.error_type, reply.error_message));
    response.headers.push_back({"x-amzn-errortype", std::move(reply.error_type)});
  }
  return response;
}

// A subscription's events, as the rest of an answer.
class EventBody final : public kinesis::EventSink {
 public:
  // `limiter`: of the caller's key; nullptr: it has no limits.
  EventBody(std::unique_ptr<BodyWriter> writer, std::shared_ptr<auth::RateLimiter> limiter)
      : writer_(std::move(writer)), limiter_(std::move(limiter)) {}
  void send(const SharedBytes& bytes) override {
    if (limiter_ != nullptr) limiter_->pay(bytes.size());
    writer_->write(bytes);
  }
  bool wanted() const override { return writer_->wanted(); }
  std::size_t unsent() const override { return writer_->unsent(); }
  void tell_below(std::size_t unsent) override { writer_->tell_below(unsent); }
  void on_change(UniqueFunction<void()> changed) override {
    writer_->on_change(std::move(changed));
  }

 private:
  const std::unique_ptr<BodyWriter> writer_;
  const std::shared_ptr<auth::RateLimiter> limiter_;
};

// AWS answers what isn't its protocol at all in XML.
wire::Response xml_response(int status, std::string_view code, std::string_view message,
                            const std::string& request_id) {
  wire::Response response;
  response.status = status;
  response.headers = {{"x-amzn-RequestId", request_id}, {"Content-Type", "text/xml"}};
  response.body.push_back(SharedBytes::copy_of(
      fmt::format("<{}>\n  <Message>{}</Message>\n</{}>\n", code, message, code)));
  return response;
}

bool is_media_type(std::string_view content_type, std::string_view wanted) {
  content_type = content_type.substr(0, content_type.find(';'));
  while (content_type.ends_with(' ')) content_type.remove_suffix(1);
  return wire::equal_ignoring_case(content_type, wanted);
}

}  // namespace

struct Dispatch::OperationMetrics {
  OperationMetrics(metrics::Registry& registry, std::string_view operation)
      : seconds(registry.histogram("spillway_api_request_seconds",
                                   "From a request's last byte to its answer",
                                   {{"operation", std::string(operation)}})),
        errors(registry.counter("spillway_api_errors_total", "Answers other than 200",
                                {{"operation", std::string(operation)}})) {}
  metrics::Histogram& seconds;
  metrics::Counter& errors;
};

// One request, from its head to its answer. Owned by the connection while the body arrives, then by
// the handler's task.
class Dispatch::ApiCall final : public BodyReader, public std::enable_shared_from_this<ApiCall> {
 public:
  ApiCall(Dispatch& dispatch, io::EventLoop& loop, Peer peer, wire::RequestHead head,
          Responder responder)
      : dispatch_(dispatch),
        head_(std::move(head)),
        responder_(std::move(responder)),
        exposed_(peer.exposed) {
    call_.loop = &loop;
    call_.peer = peer.host();
    call_.secure = peer.secure;
    call_.request_id = make_request_id(dispatch.entropy_);
    reserve_body();
  }
  ~ApiCall() override {
    if (under_way_) dispatch_.calls_.fetch_sub(1, std::memory_order_relaxed);
    dispatch_.reserved_.fetch_sub(reserved_, std::memory_order_relaxed);
    dispatch_.inflated_.fetch_sub(inflated_size_, std::memory_order_relaxed);
  }

  void on_body(std::string_view bytes) override {
    hash_.update(bytes);
    call_.body.append(bytes);
  }

  void on_end() override { begin(shared_from_this()); }

 private:
  enum class Packing : std::uint8_t { kNone, kGzip, kUnknown };

  static void begin(std::shared_ptr<ApiCall> self) {
    self->began_ = self->call_.loop->mono_now();
    if (auto refusal = self->check()) return self->answer(std::move(*refusal));
    if (self->packing_ == Packing::kNone) return handle(std::move(self));
    if (auto refusal = self->begin_inflation()) return self->answer(std::move(*refusal));
    inflate(std::move(self));
  }

  // One step, behind which the loop's other requests come first.
  static void inflate(std::shared_ptr<ApiCall> self) {
    const auto whole = self->gzip_->read(self->inflated_, kInflateStep);
    if (!whole.ok())
      return self->answer(self->refused("SerializationException", whole.error().message));
    if (!*whole) {
      auto& loop = *self->call_.loop;
      return loop.post([self = std::move(self)]() mutable { inflate(std::move(self)); });
    }
    self->gzip_ = nullptr;
    self->call_.body = std::move(self->inflated_);
    handle(std::move(self));
  }

  static void handle(std::shared_ptr<ApiCall> self) {
    auto& call = self->call_;
    if (self->asks_for_caller_) {
      return self->answer(caller_identity(call.body, self->dispatch_.service_.options().account,
                                          call.key != nullptr ? call.key->user() : call.access_key,
                                          call.access_key, call.request_id));
    }
    if (call.body.empty())
      return self->answer(self->refused("SerializationException", "The request has no body"));
    if (call.body.capacity() < call.body.size() + kinesis::kBodyPadding)
      call.body.reserve(call.body.size() + kinesis::kBodyPadding);
    Handler handler = self->operation_->handler;
    auto& service = self->dispatch_.service_;
    start(handler(service, call),
          UniqueFunction<void(kinesis::Reply)>([self = std::move(self)](kinesis::Reply reply) {
            self->audit(reply);
            self->log_failure(reply);
            auto response = to_response(reply, self->call_.format, self->call_.request_id);
            if (!reply.events) return self->answer(std::move(response));
            self->count(response);
            const auto* key = self->call_.key.get();
            reply.events(std::make_unique<EventBody>(self->responder_.begin(std::move(response)),
                                                     key != nullptr ? key->limiter : nullptr));
          }));
  }
  using Handler = kinesis::Handler;

  // Room for the whole body at once, and for what JSON parsing reads behind it. A length costs its
  // sender nothing, so that what is believed of them all together is bounded; other bodies grow as
  // they arrive.
  void reserve_body() {
    std::size_t length = 0;
    if (const auto* text = head_.find("content-length"))
      for (const char c : *text)
        if (length < kBodyMax) length = length * 10 + static_cast<std::size_t>(c - '0');
    reserved_ = std::min(length, kBodyMax);
    const auto before = dispatch_.reserved_.fetch_add(reserved_, std::memory_order_relaxed);
    const bool believed = before + reserved_ <= kReservedMax;
    call_.body.reserve((believed ? reserved_ : 0) + kinesis::kBodyPadding);
  }

  wire::Response refused(std::string_view type, std::string_view message, int status = 400) const {
    kinesis::Reply reply{status, std::string(type), std::string(message), {}};
    return to_response(reply, call_.format, call_.request_id);
  }

  // Where the body is neither JSON nor CBOR; or nothing, where it is one that can be read.
  std::optional<wire::Response> refuse_unreadable() const {
    static const wire::Shape kAnything{wire::Kind::kStructure, {}, {}, "", {}};
    if (packing_ != Packing::kNone || call_.body.size() > kRefusedBodyMax) return std::nullopt;
    const auto read = call_.format == wire::Format::kJson
                          ? wire::decode_json(call_.body, kAnything)
                          : wire::decode_cbor(call_.body, kAnything, call_.format);
    if (read.ok()) return std::nullopt;
    return refused("SerializationException", read.error().message);
  }

  // To a content type that isn't the API's.
  wire::Response refuse_content_type() {
    const auto* target = head_.find("x-amz-target");
    const std::size_t dot = target != nullptr ? target->find('.') : std::string::npos;
    if (call_.body.empty()) {
      call_.format = wire::Format::kCbor;
      if (target != nullptr && target->starts_with(kTargetPrefix))
        operation_ = kinesis::find_operation(target->substr(kTargetPrefix.size()));
      if (operation_ != nullptr)
        return refused("SerializationException", "The request has no body");
      return refused(kUnknownOperation, "The request has neither a body nor an operation");
    }
    if (dot == std::string::npos || dot == 0 || dot + 1 == target->size()) {
      return xml_response(403, "AccessDeniedException",
                          "Unable to determine service/operation name to be authorized",
                          call_.request_id);
    }
    return xml_response(404, kUnknownOperation,
                        "The content type must be application/x-amz-json-1.1 or "
                        "application/x-amz-cbor-1.1",
                        call_.request_id);
  }

  // What the request is for, and how it is written; or the answer to one that doesn't say.
  std::optional<wire::Response> find_operation() {
    using wire::Format;
    const auto* content_type = head_.find("content-type");
    const auto is = [&](Format format) {
      return content_type != nullptr && is_media_type(*content_type, wire::content_type_of(format));
    };
    const auto* target = head_.find("x-amz-target");
    // Behind it a signature may stand in the query.
    const std::string_view path = std::string_view(head_.target).substr(0, head_.target.find('?'));
    if (path.starts_with(kRpcPath) && is(Format::kRpcCbor)) {
      call_.format = Format::kRpcCbor;
      call_.operation = path.substr(kRpcPath.size());
    } else if (is(Format::kJson) || is(Format::kCbor)) {
      call_.format = is(Format::kJson) ? Format::kJson : Format::kCbor;
      if (target != nullptr && target->starts_with(kTargetPrefix))
        call_.operation = target->substr(kTargetPrefix.size());
    } else if (content_type != nullptr && is_media_type(*content_type, kFormContentType)) {
      asks_for_caller_ = true;
      return std::nullopt;
    } else {
      return refuse_content_type();
    }
    operation_ = kinesis::find_operation(call_.operation);
    const auto& served = dispatch_.options_.operations;
    if (operation_ != nullptr && !served.empty() &&
        std::ranges::find(served, operation_->name) == served.end()) {
      operation_ = nullptr;
      return refused(kUnknownOperation,
                     fmt::format("{}: {}", call_.operation, dispatch_.options_.no_others));
    }
    if (operation_ != nullptr) {
      if (!call_.body.empty()) return std::nullopt;
      return refused("SerializationException", "The request has no body");
    }
    if (!call_.body.empty())
      if (auto refusal = refuse_unreadable()) return refusal;
    if (call_.operation.empty())
      return refused(kUnknownOperation, "X-Amz-Target names no operation of Kinesis");
    return refused(kUnknownOperation,
                   fmt::format("Kinesis has no operation {}", call_.operation.substr(0, 100)));
  }

  // The answer to a request that reaches no handler. AWS looks at the body before it asks who sends
  // it: here that is done only where there is something to refuse, and nothing to inflate.
  std::optional<wire::Response> check() {
    if (head_.method != "POST") {
      return xml_response(403, "AccessDeniedException",
                          "Unable to determine service/operation name to be authorized",
                          call_.request_id);
    }
    if (call_.body.capacity() < call_.body.size() + kinesis::kBodyPadding)
      call_.body.reserve(call_.body.size() + kinesis::kBodyPadding);
    find_encoding();
    if (auto refusal = find_operation()) return refusal;
    if (auto refusal = refuse_encoding()) return refusal;
    auto& verifiers = *dispatch_.verifiers_.at(call_.loop);
    auto& verifier = asks_for_caller_ ? verifiers.caller_identity : verifiers.kinesis;
    const auto verdict = verifier.verify(head_, hash_.finish(), call_.loop->wall_now());
    if (const auto* agent = head_.find("user-agent")) call_.user_agent = *agent;
    if (const auto* wish = head_.find(wire::kinesis::kOriginHeader))
      call_.wants_origins = wire::equal_ignoring_case(*wish, "true");
    if (const auto* error = std::get_if<auth::AuthError>(&verdict)) return refuse_caller(*error);
    const auto& caller = std::get<auth::Caller>(verdict);
    if (caller.key == nullptr && exposed_)
      return refuse_caller(auth::no_key_yet(caller.access_key));
    call_.access_key = caller.access_key;
    call_.key = caller.key;
    if (auto refusal = refuse_rate()) return refusal;
    if (asks_for_caller_) return std::nullopt;
    // Of known callers, whose requests are whole: others can't keep them from being served.
    under_way_ = true;
    if (dispatch_.calls_.fetch_add(1, std::memory_order_relaxed) >= dispatch_.options_.calls_max)
      return refused("ServiceUnavailable", "Too many requests are under way; try again", 503);
    return std::nullopt;
  }

  wire::Response refuse_caller(const auth::AuthError& error) {
    dispatch_.callers_.count_unknown();
    call_.access_key = error.access_key;
    const auto type = to_string(error.type);
    if (asks_for_caller_) {
      note("sts:GetCallerIdentity", auth::AuditOutcome::kDenied, type, error.message);
      const bool fault = error.type == auth::AuthErrorType::kInternalFailure;
      return caller_identity_error(fault ? 500 : 403, type, error.message, call_.request_id);
    }
    if (auto refusal = refuse_unreadable()) return *std::move(refusal);
    note("kinesis:" + call_.operation, auth::AuditOutcome::kDenied, type, error.message);
    return refused(type, error.message, status_of(error.type));
  }

  // The answer to a caller whose key has used up its rate.
  std::optional<wire::Response> refuse_rate() {
    if (dispatch_.callers_.take_request(call_, call_.body.size())) return std::nullopt;
    constexpr std::string_view kType = "ThrottlingException";
    constexpr std::string_view kMessage = "Rate exceeded";
    if (asks_for_caller_) return caller_identity_error(400, kType, kMessage, call_.request_id);
    return refused(kType, kMessage);
  }

  // Tells the audit log of a call that has reached its handler, where it is one to be told.
  void audit(const kinesis::Reply& reply) {
    using auth::AuditOutcome;
    const bool denied = reply.error_type == "AccessDeniedException";
    if (denied) dispatch_.callers_.count_denied();
    if (!denied && kinesis::is_data_plane(call_.operation)) return;
    const auto outcome = denied                ? AuditOutcome::kDenied
                         : reply.status == 200 ? AuditOutcome::kOk
                                               : AuditOutcome::kFailed;
    note("kinesis:" + call_.operation, outcome, reply.error_type, reply.error_message);
  }

  // What is this region's own fault is told in its log, by the id that the client has too; ten
  // times a second at most, since a full disk fails every request.
  void log_failure(const kinesis::Reply& reply) {
    if (reply.status < 500) return;
    if (!dispatch_.failures_told_.take_request(call_.loop->mono_now())) return;
    dispatch_.log_.error("request failed", {{"operation", call_.operation},
                                            {"request_id", call_.request_id},
                                            {"error", reply.error_type},
                                            {"message", reply.error_message}});
  }

  void note(std::string action, auth::AuditOutcome outcome, std::string_view error,
            std::string_view message) {
    dispatch_.callers_.note(call_, std::move(action), outcome, error, message);
  }

  // How the body is packed. By gzip alone, once, is a way that is understood.
  void find_encoding() {
    for (const auto& header : head_.headers) {
      if (!wire::equal_ignoring_case(header.name, "content-encoding")) continue;
      if (header.value.empty() || wire::equal_ignoring_case(header.value, "identity")) continue;
      const bool known =
          packing_ == Packing::kNone && wire::equal_ignoring_case(header.value, "gzip");
      packing_ = known ? Packing::kGzip : Packing::kUnknown;
    }
  }

  std::optional<wire::Response> refuse_encoding() const {
    constexpr std::string_view kType = "UnsupportedMediaTypeException";
    constexpr std::string_view kWhy = "The only Content-Encoding that is accepted is gzip, once";
    if (asks_for_caller_ && packing_ != Packing::kNone)
      return caller_identity_error(415, kType, kWhy, call_.request_id);
    if (packing_ == Packing::kUnknown) return refused(kType, kWhy, 415);
    return std::nullopt;
  }

  // Only of callers who are known, since a packed body costs far more than it took to send it.
  std::optional<wire::Response> begin_inflation() {
    auto reader = wire::GzipReader::make(call_.body);
    if (!reader.ok()) return refused("SerializationException", reader.error().message);
    gzip_ = *std::move(reader);
    const std::size_t size = gzip_->stated_size();
    if (size > kBodyMax) {
      return refused("RequestEntityTooLargeException",
                     fmt::format("The body has {} bytes; at most {} are accepted", size, kBodyMax),
                     413);
    }
    inflated_size_ = size;
    const auto before = dispatch_.inflated_.fetch_add(size, std::memory_order_relaxed);
    if (before + size > kInflatedMax)
      return refused("ServiceUnavailable", "Too many requests are under way; try again", 503);
    CallAudit::pay(call_, size);
    inflated_.reserve(size + kinesis::kBodyPadding);
    return std::nullopt;
  }

  void answer(wire::Response response) {
    for (const auto& part : response.body) CallAudit::pay(call_, part.size());
    count(response);
    responder_.respond(std::move(response));
  }

  void count(const wire::Response& response) {
    if (operation_ != nullptr) {
      auto& metrics = *dispatch_.operation_metrics_.at(std::string(operation_->name));
      metrics.seconds.record(call_.loop->mono_now() - began_);
      if (response.status != 200) metrics.errors.add();
    }
  }

  Dispatch& dispatch_;
  wire::RequestHead head_;
  Responder responder_;
  const bool exposed_;  // Peer::exposed
  kinesis::Call call_;
  const kinesis::Operation* operation_ = nullptr;
  std::size_t reserved_ = 0;      // counted in Dispatch::reserved_
  bool under_way_ = false;        // counted in Dispatch::calls_
  bool asks_for_caller_ = false;  // GetCallerIdentity, which is none of Kinesis's operations
  Sha256 hash_;
  MonoTime began_{};
  Packing packing_ = Packing::kNone;
  std::unique_ptr<wire::GzipReader> gzip_;  // reads call_.body
  std::string inflated_;                    // so far
  std::size_t inflated_size_ = 0;           // counted in Dispatch::inflated_
};

Dispatch::Dispatch(DispatchOptions options, std::span<io::EventLoop* const> loops,
                   kinesis::Service& service, std::shared_ptr<const auth::KeyTable> keys,
                   auth::AuditLog& audit_log, io::Entropy& entropy, metrics::Registry& metrics,
                   io::EventLog& log)
    : options_(std::move(options)),
      service_(service),
      callers_(audit_log, metrics, log),
      entropy_(entropy),
      metrics_(metrics),
      log_(log) {
  for (auto* loop : loops) {
    verifiers_[loop] = std::make_unique<Verifiers>(
        Verifiers{auth::Verifier(options_.region, "kinesis", keys),
                  auth::Verifier(options_.region, std::string(kCallerIdentityService), keys)});
  }
  for (const auto& operation : kinesis::operations()) {
    operation_metrics_[std::string(operation.name)] =
        std::make_unique<OperationMetrics>(metrics_, operation.name);
  }
}

Dispatch::~Dispatch() = default;

void Dispatch::set_keys(const std::shared_ptr<const auth::KeyTable>& keys,
                        UniqueFunction<void()> done) {
  // Calls `done` when the last loop has let go of it.
  struct Finish {
    explicit Finish(UniqueFunction<void()> its_done) : done(std::move(its_done)) {}
    ~Finish() {
      if (done) done();
    }
    Finish(const Finish&) = delete;
    Finish& operator=(const Finish&) = delete;
    UniqueFunction<void()> done;
  };
  const auto finish = std::make_shared<Finish>(std::move(done));
  for (const auto& [loop, verifiers] : verifiers_) {
    loop->post([&verifiers = *verifiers, keys, finish] {
      verifiers.kinesis.set_keys(keys);
      verifiers.caller_identity.set_keys(keys);
    });
  }
}

std::unique_ptr<BodyReader> Dispatch::on_request(io::EventLoop& loop, Peer peer,
                                                 wire::RequestHead head, Responder responder) {
  return std::make_unique<SharedReader>(
      std::make_shared<ApiCall>(*this, loop, peer, std::move(head), std::move(responder)));
}

wire::Response Dispatch::refuse(Refusal) {
  kinesis::Reply reply{503, "ServiceUnavailable", "Too many requests are under way; try again", {}};
  return to_response(reply, wire::Format::kJson, make_request_id(entropy_));
}

}  // namespace spillway::server
