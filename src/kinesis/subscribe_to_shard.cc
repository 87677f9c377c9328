#include "kinesis/consumer_name.h"
#include "kinesis/handlers.h"
#include "kinesis/start_position.h"
#include "kinesis/subscription.h"
#include "kinesis/subscriptions.h"
#include "stream/sequence_number.h"
#include "wire/kinesis_shapes.h"

namespace spillway::kinesis {

Task<Reply> subscribe_to_shard(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kSubscribeToShardInput);
  if (input.refusal) co_return std::move(*input.refusal);
  auto named = consumer_of_arn(service, input.value["ConsumerARN"].text);
  if (named.refusal) co_return std::move(*named.refusal);
  const ConsumerName name = named.name;
  const auto stream = service.existing(*service.engine().catalog(), name.stream);
  if (stream == nullptr) co_return stream_not_found(service, name.stream);
  const auto* consumer = find_consumer(service, *stream, name);
  if (consumer == nullptr) co_return consumer_not_found(service, name);
  if (consumer->status_at(service.now()) != stream::StreamStatus::kActive)
    co_return consumer_not_active(service, name, *consumer);
  const std::string shard_id(input.value["ShardId"].text);
  const auto index = stream::parse_shard_name(shard_id);
  const auto* shard = index ? stream->find_shard(*index) : nullptr;
  if (shard == nullptr || expired(*stream, *shard, service.now()))
    co_return shard_not_found(service, shard_id, stream->name);
  const auto tip = service.engine().tip(shard->id);
  if (!tip.ok()) co_return shard_not_found(service, shard_id, stream->name);

  if (!service.limits().take_subscription(shard->id, consumer->id, service.mono_now())) {
    co_return error_reply(
        ApiError::kLimitExceeded,
        fmt::format("Rate exceeded for consumer {} and shard {} in stream {} under "
                    "account {}.",
                    name.consumer, shard_id, stream->name, service.options().account));
  }
  const auto& starting = input.value["StartingPosition"];
  StartingPoint point{starting["Type"].text, starting["SequenceNumber"].string(), std::nullopt};
  if (starting["Timestamp"].present) point.time = from_millis(starting["Timestamp"].integer);
  auto start = co_await find_start(service, call, *shard, *tip, point);
  if (start.refusal) co_return std::move(*start.refusal);

  const auto now = call.loop->mono_now();
  const auto subscription = std::make_shared<Subscription>(
      service, *call.loop,
      SubscriptionTarget{stream, shard, consumer->id, name.consumer, call.format,
                         call.wants_origins ? Origins::kTold : Origins::kHidden, caller_of(call)},
      start.position);
  const bool dry = dry_run(input.value);
  if (dry ? !service.subscriptions().may_begin(*subscription, now)
          : !service.subscriptions().begin(subscription, now)) {
    co_return error_reply(
        ApiError::kResourceInUse,
        fmt::format("Another active subscription exists for this consumer: {}:{}:{}:{}",
                    service.options().account, stream->name, shard_id, name.consumer));
  }
  if (dry) co_return dry_run_reply();
  Reply reply;
  reply.body = subscription->initial_response();
  reply.events = [subscription](std::unique_ptr<EventSink> sink) {
    subscription->begin(std::move(sink));
  };
  co_return reply;
}

}  // namespace spillway::kinesis
