// RegisterStreamConsumer, DeregisterStreamConsumer, DescribeStreamConsumer and ListStreamConsumers.
#include "base/bytes.h"
#include "kinesis/consumer_name.h"
#include "kinesis/handlers.h"
#include "kinesis/quotas.h"
#include "kinesis/tags.h"
#include "wire/kinesis_shapes.h"

namespace spillway::kinesis {

namespace {

constexpr std::int64_t kPageDefault = 100;
constexpr std::string_view kTokenKind = "list-stream-consumers-1";

void write_members(wire::DocumentWriter& to, Service& service, std::string_view stream,
                   std::string_view name, const stream::ConsumerInfo& consumer) {
  to.text("ConsumerName", name).text("ConsumerARN", arn_of(service, stream, name, consumer));
  to.text("ConsumerStatus", to_string(consumer.status_at(service.now())));
  to.time("ConsumerCreationTimestamp", consumer.created_at);
}

// The name behind which a page of the stream goes on; or the answer to give instead.
struct PageStart {
  std::string after;
  std::optional<Reply> refusal;
};

PageStart page_start(Service& service, std::string_view token, const stream::StreamInfo& stream) {
  const auto content = service.sealer().open(kTokenKind, token);
  if (!content) return {"", error_reply(ApiError::kInvalidArgument, "NextToken is invalid.")};
  ByteReader reader(*content);
  const auto made = from_millis(reader.integer<std::int64_t>());
  if (reader.integer<std::uint64_t>() != stream.id) {
    return {"",
            error_reply(ApiError::kInvalidArgument, "NextToken was made for another StreamARN.")};
  }
  if (service.token_expired(made))
    return {"", error_reply(ApiError::kExpiredNextToken, "NextToken has expired.")};
  return {std::string(reader.rest()), std::nullopt};
}

std::string page_token(Service& service, const stream::StreamInfo& stream, std::string_view last) {
  std::string bytes;
  append_le(bytes, to_millis(service.now()));
  append_le(bytes, stream.id);
  bytes += last;
  return service.sealer().seal(kTokenKind, bytes);
}

}  // namespace

Task<Reply> register_stream_consumer(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kRegisterStreamConsumerInput);
  if (input.refusal) co_return std::move(*input.refusal);
  auto named = name_in(service, input.value);
  if (named.refusal) co_return std::move(*named.refusal);
  const std::string stream_name = named.name;
  const std::string name(input.value["ConsumerName"].text);
  stream::ConsumerInfo consumer;
  consumer.created_at = service.now();
  service.settle_later(consumer, stream::StreamStatus::kCreating);
  if (auto refusal = merge_tags(input.value["Tags"], "consumer " + name, consumer.tags))
    co_return std::move(*refusal);
  StreamEdit edit = [&](const stream::Catalog& catalog,
                        stream::CatalogChange& change) -> std::optional<Reply> {
    auto& stream = change.put.front();
    if (find_consumer(service, stream, {stream.name, name, std::nullopt}) != nullptr) {
      return error_reply(ApiError::kResourceInUse,
                         fmt::format("Consumer {} under stream {}, account {} already exists.",
                                     name, stream.name, service.options().account));
    }
    if (auto refusal = over_consumer_limit(service, catalog, stream)) return refusal;
    consumer.id = catalog.next_id;
    change.ids_used = 1;
    stream.consumers[name] = consumer;
    return std::nullopt;
  };
  auto reply = co_await change_stream(service, call, stream_name, std::move(edit));
  if (reply.status != 200) co_return reply;
  wire::DocumentWriter document(call.format);
  document.open_map().key("Consumer").open_map();
  write_members(document, service, stream_name, name, consumer);
  document.close_map().close_map();
  co_return reply_with(std::move(document));
}

Task<Reply> deregister_stream_consumer(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kDeregisterStreamConsumerInput);
  if (input.refusal) co_return std::move(*input.refusal);
  auto named = consumer_in(service, input.value);
  if (named.refusal) co_return std::move(*named.refusal);
  const ConsumerName name = named.name;
  StreamEdit edit = [&](const stream::Catalog&,
                        stream::CatalogChange& change) -> std::optional<Reply> {
    auto& stream = change.put.front();
    const auto* found = find_consumer(service, stream, name);
    if (found == nullptr) return consumer_not_found(service, name);
    if (service.options().transition == milliseconds(0)) {
      stream.consumers.erase(name.consumer);
    } else if (found->status != stream::StreamStatus::kDeleting) {
      service.settle_later(stream.consumers[name.consumer], stream::StreamStatus::kDeleting);
    }
    return std::nullopt;
  };
  co_return co_await change_stream(service, call, name.stream, std::move(edit), Needs::kExisting);
}

Task<Reply> describe_stream_consumer(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kDescribeStreamConsumerInput);
  if (input.refusal) co_return std::move(*input.refusal);
  auto named = consumer_in(service, input.value);
  if (named.refusal) co_return std::move(*named.refusal);
  const ConsumerName& name = named.name;
  const auto stream = service.existing(*service.engine().catalog(), name.stream);
  if (stream == nullptr) co_return stream_not_found(service, name.stream);
  const auto* consumer = find_consumer(service, *stream, name);
  if (consumer == nullptr) co_return consumer_not_found(service, name);
  wire::DocumentWriter document(call.format);
  document.open_map().key("ConsumerDescription").open_map();
  write_members(document, service, name.stream, name.consumer, *consumer);
  document.text("StreamARN", service.arn_of(name.stream)).close_map().close_map();
  co_return reply_with(std::move(document));
}

Task<Reply> list_stream_consumers(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kListStreamConsumersInput);
  if (input.refusal) co_return std::move(*input.refusal);
  auto found = find_stream(service, input.value);
  if (found.refusal) co_return std::move(*found.refusal);
  const auto& stream = *found.stream;
  if (!settled(service, stream)) co_return not_active(service, stream);
  PageStart start;
  if (const auto token = input.value["NextToken"].string()) {
    start = page_start(service, *token, stream);
    if (start.refusal) co_return std::move(*start.refusal);
  }
  const auto& limit = input.value["MaxResults"];
  std::int64_t left = limit.present ? limit.integer : kPageDefault;
  const WallTime now = service.now();
  wire::DocumentWriter document(call.format, 1024);
  document.open_map().key("Consumers").open_list();
  std::string_view last;
  bool more = false;
  for (auto at = stream.consumers.upper_bound(start.after); at != stream.consumers.end(); ++at) {
    if (at->second.gone_at(now)) continue;
    more = left-- == 0;
    if (more) break;
    document.open_map();
    write_members(document, service, stream.name, at->first, at->second);
    document.close_map();
    last = at->first;
  }
  document.close_list();
  if (more) document.text("NextToken", page_token(service, stream, last));
  document.close_map();
  co_return reply_with(std::move(document));
}

}  // namespace spillway::kinesis
