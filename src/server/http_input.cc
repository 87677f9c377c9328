#include "server/http_input.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "auth/canonical_request.h"
#include "broker/http_records.h"
#include "broker/json_object.h"
#include "broker/partition_key.h"
#include "server/ordered_put.h"

namespace spillway::server {
namespace {

constexpr std::string_view kPath = "/v1/records/";
constexpr std::size_t kInflatedMax = std::size_t{512} << 20;

wire::Response json_response(int status, std::string_view json) {
  wire::Response response;
  response.status = status;
  response.headers.push_back({"Content-Type", "application/json"});
  if (status == 429 || status == 503) response.headers.push_back({"Retry-After", "1"});
  response.body.push_back(SharedBytes::copy_of(fmt::format("{}\n", json)));
  return response;
}

wire::Response refusal(int status, std::string_view why) {
  broker::JsonObject answer;
  answer.add("error", why);
  return json_response(status, answer.text());
}

wire::Response refusal(const CallerRefusal& why) {
  auto response = refusal(why.status, why.message);
  why.add_headers(response);
  return response;
}

std::optional<broker::HttpBody> kind_of(const std::string* content_type) {
  if (content_type == nullptr) return std::nullopt;
  auto type = std::string_view(*content_type);
  type = auth::trimmed(type.substr(0, type.find(';')));
  if (wire::equal_ignoring_case(type, "application/x-ndjson")) return broker::HttpBody::kLines;
  if (wire::equal_ignoring_case(type, "application/json")) return broker::HttpBody::kArray;
  return std::nullopt;
}

// What a request asks for, before its body.
struct Asked {
  std::string stream;
  broker::HttpBody kind = broker::HttpBody::kLines;
  broker::PartitionKeyRule rule;
  bool packed = false;  // by gzip
};

// A parameter that is misspelt would be one that nobody heeds: every record would have a key of its
// own, and no order.
Status check_query(std::string_view target) {
  std::string_view rest = target.substr(std::min(target.find('?'), target.size()));
  int keys = 0;
  while (!rest.empty()) {
    rest.remove_prefix(1);
    const auto one = rest.substr(0, rest.find('&'));
    rest.remove_prefix(one.size());
    const auto name = one.substr(0, one.find('='));
    if (one.empty()) continue;
    if (name != "key") {
      return Error{
          ErrorCode::kInvalid,
          fmt::format("there is no parameter \"{}\": the only one is key, as in ?key=NAME", name)};
    }
    if (++keys > 1) return Error{ErrorCode::kInvalid, "the parameter key is there twice"};
  }
  return {};
}

// Where partition keys come from, or what is wrong with that.
Result<broker::PartitionKeyRule> rule_of(const wire::RequestHead& head) {
  SPILLWAY_TRY(check_query(head.target));
  broker::PartitionKeyRule rule;
  if (const auto member = auth::query_parameter(head.target, "key")) {
    if (member->empty()) return Error{ErrorCode::kInvalid, "the parameter key names no member"};
    rule.member = *member;
  }
  const auto* fixed = head.find("x-partition-key");
  if (fixed == nullptr) return rule;
  if (!rule.member.empty())
    return Error{ErrorCode::kInvalid, "X-Partition-Key and ?key= exclude each other"};
  if (!broker::is_partition_key(*fixed))
    return Error{ErrorCode::kInvalid, "X-Partition-Key must have 1 to 256 characters"};
  rule.fixed = *fixed;
  return rule;
}

// Of a body that can't be unpacked.
int status_of(ErrorCode why) {
  if (why == ErrorCode::kNoSpace) return 413;
  return why == ErrorCode::kThrottled ? 503 : 400;
}

// What became of a request's records.
struct Handled {
  std::size_t accepted = 0;
  std::vector<broker::RefusedValue> failed;
  std::optional<ErrorCode> spool;  // why the spool didn't take some
};

wire::Response answer_of(Handled handled) {
  // 200 says that nothing is lost that is a record. A client that looks at no more than the status
  // sends again what the spool didn't take, with what it did.
  int status = 200;
  if (handled.spool) {
    status = *handled.spool == ErrorCode::kThrottled ? 429 : 503;
  } else if (handled.accepted == 0 && !handled.failed.empty()) {
    status = 400;
  }
  std::ranges::sort(handled.failed, {}, &broker::RefusedValue::number);
  broker::JsonArray failed;
  for (const auto& value : handled.failed) {
    broker::JsonObject one;
    one.add("line", value.number).add("error", value.why);
    failed.add_raw(one.text());
  }
  broker::JsonObject answer;
  answer.add("accepted", handled.accepted).add_raw("failed", failed.text());
  return json_response(status, answer.text());
}

}  // namespace

// One request. Owned by the connection while the body arrives, then by its task.
class HttpInput::Call final : public BodyReader, public std::enable_shared_from_this<Call> {
 public:
  Call(HttpInput& input, io::EventLoop& loop, InputCaller caller, Asked asked, Responder responder)
      : input_(input),
        loop_(loop),
        caller_(std::move(caller)),
        asked_(std::move(asked)),
        responder_(std::move(responder)),
        inflated_(input.inflated_) {}

  void on_body(std::string_view bytes) override { body_.append(bytes); }
  void on_end() override {
    if (const auto why = caller_.check_whole(asked_.stream, body_.size()))
      return responder_.respond(refusal(*why));
    start(handle(shared_from_this()), UniqueFunction<void(wire::Response)>(
                                          [self = shared_from_this()](wire::Response response) {
                                            self->caller_.pay(response);
                                            self->responder_.respond(std::move(response));
                                          }));
  }

 private:
  static Task<wire::Response> handle(std::shared_ptr<Call> self) {
    if (self->asked_.packed) {
      const auto inflated =
          co_await inflate(&self->loop_, &self->body_, &self->inflated_, broker::kHttpBodyPadding);
      if (!inflated.ok())
        co_return refusal(status_of(inflated.error().code), inflated.error().message);
      self->caller_.pay(self->body_.size());
    }
    self->body_.reserve(self->body_.size() + broker::kHttpBodyPadding);
    auto read = broker::read_http_records(self->asked_.kind, self->body_, self->asked_.rule,
                                          io::random_number(self->input_.entropy_));
    if (!read.ok()) co_return refusal(400, read.error().message);
    self->input_.counts_.malformed.add(read->refused.size());
    auto handled = co_await put(self, *std::move(read));
    co_return answer_of(std::move(handled));
  }

  static Task<Handled> put(std::shared_ptr<Call> self, broker::HttpRecords all) {
    std::vector<stream::RecordView> views;
    views.reserve(all.records.size());
    for (const auto& record : all.records)
      views.push_back({record.key, record.data, std::nullopt, std::nullopt});
    const auto outcomes = co_await put_in_order(&self->loop_, &self->input_.spool_,
                                                self->asked_.stream, std::move(views));
    Handled handled{0, std::move(all.refused), std::nullopt};
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      if (outcomes[i].ok()) {
        ++handled.accepted;
        continue;
      }
      handled.spool = outcomes[i].error().code;
      handled.failed.push_back({all.records[i].number, outcomes[i].error().message});
    }
    self->input_.counts_.records.add(handled.accepted);
    self->input_.counts_.refused.add(all.records.size() - handled.accepted);
    co_return handled;
  }

  HttpInput& input_;
  io::EventLoop& loop_;
  InputCaller caller_;
  const Asked asked_;
  Responder responder_;
  std::string body_;
  ByteBudget::Share inflated_;
};

HttpInput::HttpInput(broker::Spool& spool, const InputStreams& streams, io::Entropy& entropy,
                     metrics::Registry& metrics, InputAccess& access)
    : spool_(spool),
      streams_(streams.named.begin(), streams.named.end()),
      entropy_(entropy),
      access_(access),
      counts_(metrics, "http"),
      inflated_(kInflatedMax) {}

HttpInput::~HttpInput() = default;

void HttpInput::set_streams(const InputStreams& streams) {
  const std::lock_guard lock(mutex_);
  streams_ = Streams(streams.named.begin(), streams.named.end());
}

bool HttpInput::takes(std::string_view stream) const {
  const std::lock_guard lock(mutex_);
  return streams_.contains(stream);
}

std::unique_ptr<BodyReader> HttpInput::on_request(io::EventLoop& loop, Peer peer,
                                                  wire::RequestHead head, Responder responder) {
  const auto refused = [&responder](int status, std::string_view why) {
    responder.respond(refusal(status, why));
    return nullptr;
  };
  const std::string_view path = std::string_view(head.target).substr(0, head.target.find('?'));
  Asked asked;
  if (path.starts_with(kPath)) asked.stream = path.substr(kPath.size());
  InputCaller caller(access_, loop, peer, head);
  if (const auto why = caller.check(asked.stream)) {
    responder.respond(refusal(*why));
    return nullptr;
  }
  if (asked.stream.empty())
    return refused(404, "There is nothing here: POST to /v1/records/STREAM");
  if (!takes(asked.stream)) {
    return refused(404,
                   "The broker takes no records for that stream: it must be in broker.streams");
  }
  if (head.method != "POST") return refused(405, "Records are sent by POST");
  const auto kind = kind_of(head.find("content-type"));
  if (!kind) {
    return refused(415,
                   "The content type must be application/x-ndjson (a JSON value a line) or "
                   "application/json (an array of them)");
  }
  asked.kind = *kind;
  const auto packed = is_packed(head);
  if (!packed) return refused(415, "The only Content-Encoding that is accepted is gzip, once");
  asked.packed = *packed;
  auto rule = rule_of(head);
  if (!rule.ok()) return refused(400, rule.error().message);
  asked.rule = *std::move(rule);
  return std::make_unique<SharedReader>(std::make_shared<Call>(
      *this, loop, std::move(caller), std::move(asked), std::move(responder)));
}

wire::Response HttpInput::refuse(Refusal why) {
  if (why == Refusal::kPlainHttp) return refusal(kPlainHttpStatus, kPlainHttpRefusal);
  return refusal(503, "There is no memory for the request: try again");
}

}  // namespace spillway::server
