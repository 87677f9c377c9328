#include "client/kinesis_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <list>
#include <numeric>
#include <span>
#include <utility>

#include "auth/sigv4.h"
#include "client/connection_pool.h"
#include "client/kinesis_json.h"
#include "client/put_documents.h"
#include "wire/content_type.h"
#include "wire/kinesis_shapes.h"
#include "wire/shapes.h"

namespace spillway::client {

namespace {

constexpr std::string_view kService = "kinesis";
constexpr std::string_view kTargetPrefix = "Kinesis_20131202.";
constexpr auto kFirstLook = milliseconds(20);  // at a stream that is being made
constexpr auto kLongestLook = seconds(1);
constexpr std::size_t kShownBytes = 300;  // of an answer that isn't the API's

struct ErrorKind {
  std::string_view type;
  ErrorCode code;
};

// What the API's errors mean to callers; others go by the answer's status. Whoever is told kInvalid
// may give up what it asked for: no other error of the request may pass for that.
constexpr ErrorKind kErrorKinds[] = {
    {"ValidationException", ErrorCode::kInvalid},
    {"InvalidArgumentException", ErrorCode::kInvalid},
    {"SerializationException", ErrorCode::kInvalid},
    {"ResourceNotFoundException", ErrorCode::kNotFound},
    {"ResourceInUseException", ErrorCode::kExists},
    {"LimitExceededException", ErrorCode::kThrottled},
    {"ProvisionedThroughputExceededException", ErrorCode::kThrottled},
    {"ThrottlingException", ErrorCode::kThrottled},
    {"KMSThrottlingException", ErrorCode::kThrottled},
    {"ExpiredIteratorException", ErrorCode::kExpired},
    {"ExpiredNextTokenException", ErrorCode::kExpired},
    {"ExpiredTokenException", ErrorCode::kDenied},
    {"AccessDeniedException", ErrorCode::kDenied},
    {"IncompleteSignatureException", ErrorCode::kDenied},
    {"InvalidSignatureException", ErrorCode::kDenied},
    {"MissingAuthenticationTokenException", ErrorCode::kDenied},
    {"UnrecognizedClientException", ErrorCode::kDenied},
    {"KMSAccessDeniedException", ErrorCode::kDenied},
    {"KMSDisabledException", ErrorCode::kDenied},
    {"KMSInvalidStateException", ErrorCode::kDenied},
    {"KMSNotFoundException", ErrorCode::kDenied},
    {"KMSOptInRequired", ErrorCode::kDenied},
    {"UnknownOperationException", ErrorCode::kUnsupported},
};

ErrorCode code_of(int status, std::string_view type) {
  for (const auto& kind : kErrorKinds)
    if (kind.type == type) return kind.code;
  if (status >= 500) return ErrorCode::kIo;
  if (status == 429) return ErrorCode::kThrottled;
  if (status == 401 || status == 403) return ErrorCode::kDenied;
  return ErrorCode::kCorrupt;
}

// As servers answer a content type that they don't know, or what stands before them. Others that
// refuse a request, for whatever it is, say nothing of its format.
bool refuses_format(int status) {
  return status == 400 || status == 403 || status == 404 || status == 406 || status == 415 ||
         status == 501;
}

bool may_succeed_later(ErrorCode code) {
  return code == ErrorCode::kIo || code == ErrorCode::kThrottled;
}

std::string stream_body(std::string_view stream) {
  std::string json = R"({"StreamName":)";
  wire::append_json_string(json, stream);
  return json + "}";
}

}  // namespace

class KinesisClient::Impl {
 public:
  Impl(io::EventLoop& event_loop, ClientOptions client_options, Random seeded)
      : loop(event_loop),
        options(std::move(client_options)),
        pool(loop, {options.endpoint, options.tls, options.http2, options.connections_max,
                    options.connect_timeout, options.request_timeout}),
        random_(seeded) {}

  void close() {
    if (std::exchange(closed_, true)) return;
    pool.close();
    if (options.source && !source_handed_over) options.source->close();
    // Each that ends takes itself off the list.
    while (!pauses_.empty()) std::exchange(pauses_.front().done, nullptr)(true);
  }

  // One operation in JSON, as often as it takes; the answer's body.
  Task<Result<std::string>> call(std::string_view operation, std::string_view json) {
    return call({operation, wire::Format::kJson, SharedBytes::copy_of(json)}, nullptr);
  }
  Task<Result<std::string>> put_record(std::string_view stream, const PutEntry& entry) {
    return call({"PutRecord", wire::Format::kJson, put_record_body(stream, entry)}, nullptr);
  }
  struct Answer {
    wire::Format format;
    std::string body;
  };
  // PutRecords of these entries, as often as it takes. `lost` is set where a try had no answer, or
  // the server's failure for one. What it is handed outlives it.
  Task<Result<Answer>> put_records(std::string_view stream, std::span<const PutEntry> entries,
                                   std::span<const std::size_t> which, bool& lost);
  // Waits before the try after the `attempt`th, counted from 1.
  Task<void> back_off(std::uint32_t attempt);
  Task<void> pause(nanoseconds delay);

  io::EventLoop& loop;
  const ClientOptions options;
  ConnectionPool pool;
  bool source_handed_over = false;

 private:
  struct Pause {
    std::unique_ptr<io::Timer> timer;
    UniqueFunction<void(bool)> done;
  };

  struct Request {
    std::string_view operation;
    wire::Format format;
    SharedBytes body;
  };

  Task<Result<std::string>> call(Request request, bool* lost);
  wire::RequestHead signed_head(const Request& request, const auth::Credentials& credentials);
  Result<std::string> judge(const Request& request, Result<wire::ClientResponse> answer);

  Random random_;
  std::list<Pause> pauses_;
  bool lacks_cbor_ = false;  // the server has said so
  bool closed_ = false;
};

wire::RequestHead KinesisClient::Impl::signed_head(const Request& request,
                                                   const auth::Credentials& credentials) {
  wire::RequestHead head;
  head.method = "POST";
  head.target = "/";
  head.headers = {{"Host", options.endpoint.authority},
                  {"Content-Type", std::string(wire::content_type_of(request.format))},
                  {"X-Amz-Target", fmt::format("{}{}", kTargetPrefix, request.operation)},
                  {"User-Agent", options.user_agent}};
  if (options.origins) head.headers.push_back({std::string(wire::kinesis::kOriginHeader), "true"});
  auth::sign(head, request.body.view(), credentials, options.region, kService, loop.wall_now());
  return head;
}

Result<std::string> KinesisClient::Impl::judge(const Request& request,
                                               Result<wire::ClientResponse> answer) {
  if (!answer.ok()) {
    Error why = context(request.operation, std::move(answer).error());
    // Bytes that are no HTTP, or no TLS, say nothing of what was asked for.
    if (why.code == ErrorCode::kInvalid) why.code = ErrorCode::kCorrupt;
    return why;
  }
  if (answer->status == 200) return std::move(answer->body);
  const auto* format = answer->find("content-type");
  const bool cbor = format != nullptr && *format == wire::content_type_of(wire::Format::kCbor);
  // Who knows the format answers in it.
  if (request.format == wire::Format::kCbor && !cbor && refuses_format(answer->status))
    lacks_cbor_ = true;
  auto [type, message] = cbor ? read_cbor_error(answer->body) : parse_api_error(answer->body);
  if (const auto* header = answer->find("x-amzn-errortype"); header != nullptr && type.empty())
    type = header->substr(0, header->find(':'));
  if (type.empty()) {
    type = fmt::format("HTTP {} from {}", answer->status, options.endpoint.url);
    message = answer->body.substr(0, kShownBytes);
  }
  std::string text = fmt::format("{}: {}: {}", request.operation, type, message);
  if (const auto* id = answer->find("x-amzn-requestid"))
    text += fmt::format(" (request id {})", *id);
  return Error{code_of(answer->status, type), std::move(text)};
}

Task<Result<KinesisClient::Impl::Answer>> KinesisClient::Impl::put_records(
    std::string_view stream, std::span<const PutEntry> entries, std::span<const std::size_t> which,
    bool& lost) {
  while (true) {
    const bool cbor = options.cbor && !lacks_cbor_;
    const auto format = cbor ? wire::Format::kCbor : wire::Format::kJson;
    Request request{"PutRecords", format, put_records_body(stream, entries, which, format)};
    auto answer = co_await call(std::move(request), &lost);
    if (!answer.ok() && cbor && lacks_cbor_) continue;
    if (!answer.ok()) co_return std::move(answer).error();
    co_return Answer{format, *std::move(answer)};
  }
}

Task<Result<std::string>> KinesisClient::Impl::call(Request request, bool* lost) {
  for (std::uint32_t attempt = 1;; ++attempt) {
    if (closed_) co_return Error{ErrorCode::kClosed, "the client was closed"};
    auth::Credentials credentials = options.credentials;
    if (options.source) {
      auto fetched = co_await options.source->get();
      if (!fetched.ok()) co_return context(request.operation, std::move(fetched).error());
      credentials = *std::move(fetched);
    }
    auto answered = callback<Result<wire::ClientResponse>>([&](AnswerDone done) {
      pool.request(signed_head(request, credentials), request.body, std::move(done));
    });
    auto answer = co_await answered;
    auto result = judge(request, std::move(answer));
    if (options.source && !result.ok() && result.error().code == ErrorCode::kDenied)
      options.source->rejected();
    if (lost != nullptr && !result.ok() && result.error().code == ErrorCode::kIo) *lost = true;
    const auto most = pool.ever_connected()
                          ? options.attempts_max
                          : std::min(options.attempts_max, options.attempts_max_unconnected);
    if (result.ok() || !may_succeed_later(result.error().code) || attempt >= most) co_return result;
    co_await back_off(attempt);
  }
}

Task<void> KinesisClient::Impl::back_off(std::uint32_t attempt) {
  const auto doubled = options.backoff_first * (std::int64_t{1} << std::min(attempt - 1, 20U));
  const auto longest = std::min(doubled, options.backoff_max);
  co_await pause(nanoseconds(random_.between(0, longest.count())));
}

Task<void> KinesisClient::Impl::pause(nanoseconds delay) {
  if (closed_) co_return;
  const auto entry = pauses_.emplace(pauses_.end());
  entry->timer = loop.make_timer();
  auto over = callback<bool>([entry, delay](UniqueFunction<void(bool)> done) {
    entry->done = std::move(done);
    entry->timer->start(delay, [entry] { std::exchange(entry->done, nullptr)(true); });
  });
  co_await over;
  pauses_.erase(entry);
}

KinesisClient::KinesisClient(io::EventLoop& loop, ClientOptions options, Random random)
    : impl_(std::make_unique<Impl>(loop, std::move(options), random)) {}

KinesisClient::~KinesisClient() { close(); }

void KinesisClient::close() { impl_->close(); }

std::shared_ptr<CredentialsSource> KinesisClient::hand_over_source() {
  impl_->source_handed_over = true;
  return impl_->options.source;
}

bool KinesisClient::ever_connected() const { return impl_->pool.ever_connected(); }

Task<Status> KinesisClient::create_stream(std::string stream, std::uint32_t shards) {
  std::string body = R"({"StreamName":)";
  wire::append_json_string(body, stream);
  body += shards > 0 ? fmt::format(R"(,"ShardCount":{}}})", shards)
                     : R"(,"StreamModeDetails":{"StreamMode":"ON_DEMAND"}})";
  auto answer = co_await impl_->call("CreateStream", std::move(body));
  if (!answer.ok()) co_return std::move(answer).error();
  co_return Status();
}

Task<Status> KinesisClient::delete_stream(std::string stream) {
  auto answer = co_await impl_->call("DeleteStream", stream_body(stream));
  if (!answer.ok()) co_return std::move(answer).error();
  co_return Status();
}

Task<Result<StreamSummary>> KinesisClient::describe_summary(std::string stream) {
  auto answer = co_await impl_->call("DescribeStreamSummary", stream_body(stream));
  if (!answer.ok()) co_return std::move(answer).error();
  co_return parse_summary(*answer);
}

Task<Status> KinesisClient::wait_until_active(std::string stream, nanoseconds at_most) {
  const MonoTime deadline = impl_->loop.mono_now() + at_most;
  nanoseconds delay = kFirstLook;
  while (true) {
    auto summary = co_await describe_summary(stream);
    if (!summary.ok()) co_return std::move(summary).error();
    if (summary->status == "ACTIVE") co_return Status();
    if (impl_->loop.mono_now() + delay > deadline) {
      co_return Error{ErrorCode::kThrottled,
                      fmt::format("stream {} is still {}", stream, summary->status)};
    }
    co_await impl_->pause(delay);
    delay = std::min<nanoseconds>(delay * 2, kLongestLook);
  }
}

Task<Result<std::vector<std::string>>> KinesisClient::list_streams() {
  std::vector<std::string> names;
  std::string body = "{}";
  while (true) {
    auto answer = co_await impl_->call("ListStreams", std::move(body));
    if (!answer.ok()) co_return std::move(answer).error();
    auto page = parse_names(*answer);
    if (!page.ok()) co_return std::move(page).error();
    names.insert(names.end(), page->names.begin(), page->names.end());
    if (!page->more || page->names.empty()) co_return names;
    body = R"({"ExclusiveStartStreamName":)";
    wire::append_json_string(body, names.back());
    body += "}";
  }
}

Task<Result<std::vector<Shard>>> KinesisClient::list_shards(std::string stream) {
  std::vector<Shard> shards;
  std::string body = stream_body(stream);
  while (true) {
    auto answer = co_await impl_->call("ListShards", std::move(body));
    if (!answer.ok()) co_return std::move(answer).error();
    auto page = parse_shards(*answer);
    if (!page.ok()) co_return std::move(page).error();
    std::move(page->shards.begin(), page->shards.end(), std::back_inserter(shards));
    if (page->next_token.empty()) co_return shards;
    body = R"({"NextToken":)";
    wire::append_json_string(body, page->next_token);
    body += "}";
  }
}

Task<Result<PutOutcome>> KinesisClient::put_record(std::string stream, PutEntry entry) {
  auto answer = co_await impl_->put_record(stream, entry);
  if (!answer.ok()) co_return std::move(answer).error();
  co_return parse_put_outcome(*answer);
}

Task<Result<PutRecordsResult>> KinesisClient::put_records(std::string stream,
                                                          std::vector<PutEntry> entries) {
  PutRecordsResult result;
  result.outcomes.resize(entries.size());
  std::vector<std::size_t> unput(entries.size());
  std::iota(unput.begin(), unput.end(), std::size_t{0});
  for (std::uint32_t attempt = 1;; ++attempt) {
    bool lost = false;
    auto answer = co_await impl_->put_records(stream, entries, unput, lost);
    if (lost)
      for (const auto i : unput) result.outcomes[i].unknown = true;
    if (!answer.ok()) {
      if (attempt == 1) {
        co_return Error{lost ? ErrorCode::kIo : answer.error().code, answer.error().message};
      }
      break;  // what failed keeps the error that the server gave for it
    }
    auto outcomes = read_put_outcomes(answer->body, answer->format);
    if (!outcomes.ok()) co_return std::move(outcomes).error();
    if (outcomes->size() != unput.size()) {
      co_return Error{ErrorCode::kCorrupt, fmt::format("PutRecords: {} outcomes for {} records",
                                                       outcomes->size(), unput.size())};
    }
    std::vector<std::size_t> failed;
    for (std::size_t i = 0; i < unput.size(); ++i) {
      auto& outcome = result.outcomes[unput[i]];
      const bool unknown = outcome.unknown;
      outcome = std::move((*outcomes)[i]);
      if (outcome.ok()) continue;
      outcome.unknown = unknown;
      failed.push_back(unput[i]);
    }
    unput = std::move(failed);
    if (unput.empty() || attempt >= impl_->options.attempts_max) break;
    co_await impl_->back_off(attempt);
  }
  result.failed = unput.size();
  co_return result;
}

Task<Result<std::string>> KinesisClient::get_shard_iterator(std::string stream,
                                                            std::string shard_id,
                                                            IteratorStart start) {
  auto answer =
      co_await impl_->call("GetShardIterator", shard_iterator_body(stream, shard_id, start));
  if (!answer.ok()) co_return std::move(answer).error();
  co_return parse_shard_iterator(*answer);
}

Task<Result<GetRecordsResult>> KinesisClient::get_records(std::string iterator,
                                                          std::uint32_t limit) {
  std::string body = R"({"ShardIterator":)";
  wire::append_json_string(body, iterator);
  if (limit > 0) body += fmt::format(R"(,"Limit":{})", limit);
  body += "}";
  auto answer = co_await impl_->call("GetRecords", std::move(body));
  if (!answer.ok()) co_return std::move(answer).error();
  co_return parse_records(*answer);
}

}  // namespace spillway::client
