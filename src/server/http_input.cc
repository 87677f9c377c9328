#include "server/http_input.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "auth/canonical_request.h"
#include "broker/http_records.h"
#include "broker/json_object.h"
#include "broker/partition_key.h"
#include "io/on_loop.h"
#include "stream/record_batch.h"
#include "wire/gzip.h"

namespace spillway::server {
namespace {

constexpr std::string_view kPath = "/v1/records/";
constexpr std::size_t kBodyMax = wire::HttpLimits{}.body_bytes;
constexpr std::size_t kInflatedMax = std::size_t{512} << 20;
constexpr std::size_t kInflateStep = 256 << 10;  // what a loop does at a time, about a millisecond
// Of what the spool is given at once, as it is stored: a few of them fit its queue.
constexpr std::size_t kPutBytesMax = std::size_t{4} << 20;

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

// Where partition keys come from, or what is wrong with that.
Result<broker::PartitionKeyRule> rule_of(const wire::RequestHead& head) {
  broker::PartitionKeyRule rule;
  if (const auto member = auth::query_parameter(head.target, "key")) rule.member = *member;
  const auto* fixed = head.find("x-partition-key");
  if (fixed == nullptr) return rule;
  if (!rule.member.empty())
    return Error{ErrorCode::kInvalid, "X-Partition-Key and ?key= exclude each other"};
  if (!broker::is_partition_key(*fixed))
    return Error{ErrorCode::kInvalid, "X-Partition-Key must have 1 to 256 characters"};
  rule.fixed = *fixed;
  return rule;
}

// By gzip; nullopt where the body is packed in another way.
std::optional<bool> is_packed(const wire::RequestHead& head) {
  bool packed = false;
  for (const auto& header : head.headers) {
    if (!wire::equal_ignoring_case(header.name, "content-encoding")) continue;
    if (header.value.empty() || wire::equal_ignoring_case(header.value, "identity")) continue;
    if (packed || !wire::equal_ignoring_case(header.value, "gzip")) return std::nullopt;
    packed = true;
  }
  return packed;
}

std::uint64_t random_number(io::Entropy& entropy) {
  unsigned char bytes[8];
  entropy.fill(bytes);
  std::uint64_t number = 0;
  for (const unsigned char byte : bytes) number = number << 8 | byte;
  return number;
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
  Call(HttpInput& input, io::EventLoop& loop, Asked asked, Responder responder)
      : input_(input), loop_(loop), asked_(std::move(asked)), responder_(std::move(responder)) {}
  ~Call() override { input_.inflated_.fetch_sub(inflated_size_, std::memory_order_relaxed); }

  void on_body(std::string_view bytes) override { body_.append(bytes); }
  void on_end() override {
    start(handle(shared_from_this()), UniqueFunction<void(wire::Response)>(
                                          [self = shared_from_this()](wire::Response response) {
                                            self->responder_.respond(std::move(response));
                                          }));
  }

 private:
  static Task<wire::Response> handle(std::shared_ptr<Call> self) {
    if (self->asked_.packed) {
      auto refused = co_await inflate(self);
      if (refused) co_return *std::move(refused);
    }
    self->body_.reserve(self->body_.size() + broker::kHttpBodyPadding);
    auto read = broker::read_http_records(self->asked_.kind, self->body_, self->asked_.rule,
                                          random_number(self->input_.entropy_));
    if (!read.ok()) co_return refusal(400, read.error().message);
    self->input_.counts_.malformed.add(read->refused.size());
    auto handled = co_await put(self, *std::move(read));
    co_return answer_of(std::move(handled));
  }

  // In steps, between which the loop's other requests come. Returns what to answer instead.
  static Task<std::optional<wire::Response>> inflate(std::shared_ptr<Call> self) {
    auto reader = wire::GzipReader::make(self->body_);
    if (!reader.ok()) co_return refusal(400, reader.error().message);
    const std::size_t size = (*reader)->stated_size();
    if (size > kBodyMax) {
      co_return refusal(
          413, fmt::format("The body has {} bytes; at most {} are accepted", size, kBodyMax));
    }
    self->inflated_size_ = size;
    const auto before = self->input_.inflated_.fetch_add(size, std::memory_order_relaxed);
    if (before + size > kInflatedMax) co_return refusal(503, "Too many requests are under way");
    std::string inflated;
    inflated.reserve(size + broker::kHttpBodyPadding);
    for (;;) {
      const auto whole = (*reader)->read(inflated, kInflateStep);
      if (!whole.ok()) co_return refusal(400, whole.error().message);
      if (*whole) break;
      auto turn = callback<bool>([loop = &self->loop_](UniqueFunction<void(bool)> done) {
        loop->post([done = std::move(done)]() mutable { done(true); });
      });
      co_await turn;
    }
    self->body_ = std::move(inflated);
    co_return std::nullopt;
  }

  // One part after the other. After one that the spool didn't take no later one is tried: records
  // of one key stay in order, however often their sender has to try.
  static Task<Handled> put(std::shared_ptr<Call> self, broker::HttpRecords all) {
    Handled handled{0, std::move(all.refused), std::nullopt};
    std::string why;
    for (std::size_t begin = 0; begin < all.records.size();) {
      const auto views = next_part(all.records, begin);
      if (handled.spool) {
        for (std::size_t i = 0; i < views.size(); ++i)
          handled.failed.push_back({all.records[begin + i].number, why});
      } else {
        auto putting = io::on_loop<broker::Spool::Outcomes>(
            &self->loop_, [&self, &views](UniqueFunction<void(broker::Spool::Outcomes)> done) {
              self->input_.spool_.put(self->asked_.stream, views, std::move(done));
            });
        const auto outcomes = co_await putting;
        for (std::size_t i = 0; i < outcomes.size(); ++i) {
          if (outcomes[i].ok()) {
            ++handled.accepted;
            continue;
          }
          handled.spool = outcomes[i].error().code;
          why = outcomes[i].error().message;
          handled.failed.push_back({all.records[begin + i].number, why});
        }
      }
      begin += views.size();
    }
    self->input_.counts_.records.add(handled.accepted);
    self->input_.counts_.refused.add(all.records.size() - handled.accepted);
    co_return handled;
  }

  // The records from `begin` on that the spool is given at once: at least one.
  static std::vector<stream::RecordView> next_part(const std::vector<broker::HttpRecord>& records,
                                                   std::size_t begin) {
    std::vector<stream::RecordView> views;
    views.reserve(records.size() - begin);
    std::size_t bytes = 0;
    for (std::size_t i = begin; i < records.size(); ++i) {
      const auto& record = records[i];
      bytes +=
          stream::RecordBatchBuilder::size_of(record.data.size(), record.key.size(), false, true);
      if (i > begin && bytes > kPutBytesMax) break;
      views.push_back({record.key, record.data, std::nullopt, std::nullopt});
    }
    return views;
  }

  HttpInput& input_;
  io::EventLoop& loop_;
  const Asked asked_;
  Responder responder_;
  std::string body_;
  std::size_t inflated_size_ = 0;  // counted in HttpInput::inflated_
};

HttpInput::HttpInput(broker::Spool& spool, const std::vector<std::string>& streams,
                     io::Entropy& entropy, metrics::Registry& metrics)
    : spool_(spool),
      streams_(streams.begin(), streams.end()),
      entropy_(entropy),
      counts_(metrics, "http") {}

HttpInput::~HttpInput() = default;

void HttpInput::set_streams(const std::vector<std::string>& streams) {
  const std::lock_guard lock(mutex_);
  streams_ = Streams(streams.begin(), streams.end());
}

bool HttpInput::takes(std::string_view stream) const {
  const std::lock_guard lock(mutex_);
  return streams_.contains(stream);
}

std::unique_ptr<BodyReader> HttpInput::on_request(io::EventLoop& loop, Peer, wire::RequestHead head,
                                                  Responder responder) {
  const auto refused = [&responder](int status, std::string_view why) {
    responder.respond(refusal(status, why));
    return nullptr;
  };
  const std::string_view path = std::string_view(head.target).substr(0, head.target.find('?'));
  if (!path.starts_with(kPath))
    return refused(404, "There is nothing here: POST to /v1/records/STREAM");
  Asked asked;
  asked.stream = path.substr(kPath.size());
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
  return std::make_unique<SharedReader>(
      std::make_shared<Call>(*this, loop, std::move(asked), std::move(responder)));
}

wire::Response HttpInput::refuse(Refusal) {
  return refusal(503, "There is no memory for the request: try again");
}

}  // namespace spillway::server
