#include "kinesis/consumer_name.h"

#include <charconv>

namespace spillway::kinesis {

namespace {

constexpr std::string_view kInArn = "/consumer/";

std::int64_t created_seconds(const stream::ConsumerInfo& consumer) {
  return to_millis(consumer.created_at) / 1000;
}

}  // namespace

std::string arn_of(Service& service, std::string_view stream, std::string_view name,
                   const stream::ConsumerInfo& consumer) {
  return fmt::format("{}{}{}:{}", service.arn_of(stream), kInArn, name, created_seconds(consumer));
}

std::optional<ConsumerName> parse_consumer_arn(Service& service, std::string_view arn) {
  const std::size_t mark = arn.rfind(kInArn);
  const std::size_t colon = arn.rfind(':');
  if (mark == std::string_view::npos || colon < mark) return std::nullopt;
  const std::string_view of_stream = arn.substr(0, mark);
  ConsumerName name;
  name.stream = of_stream.substr(of_stream.rfind('/') + 1);
  if (of_stream != service.arn_of(name.stream)) return std::nullopt;
  name.consumer = arn.substr(mark + kInArn.size(), colon - mark - kInArn.size());
  const std::string_view digits = arn.substr(colon + 1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), value);
  if (error != std::errc{} || end != digits.end()) return std::nullopt;
  name.created_seconds = value;
  return name;
}

ConsumerNameInput consumer_of_arn(Service& service, std::string_view arn) {
  if (auto name = parse_consumer_arn(service, arn)) return {std::move(*name), std::nullopt};
  return {{},
          error_reply(ApiError::kResourceNotFound,
                      fmt::format("Consumer {} not found: this endpoint serves account {} in {}.",
                                  arn, service.options().account, service.options().region))};
}

ConsumerNameInput consumer_in(Service& service, const wire::Value& input) {
  const auto arn = input["ConsumerARN"].string();
  const auto name = input["ConsumerName"].string();
  const bool has_stream = input["StreamARN"].present;
  if (!arn && (!has_stream || !name)) {
    return {{},
            error_reply(ApiError::kInvalidArgument,
                        "Either ConsumerARN or both StreamARN and ConsumerName must be provided.")};
  }
  ConsumerNameInput found;
  if (has_stream) {
    auto stream = name_in(service, input);
    if (stream.refusal) return {{}, std::move(stream.refusal)};
    found.name.stream = std::move(stream.name);
  }
  if (!arn) {
    found.name.consumer = *name;
    return found;
  }
  auto parsed = consumer_of_arn(service, *arn);
  if (parsed.refusal) return parsed;
  if ((has_stream && parsed.name.stream != found.name.stream) ||
      (name && *name != parsed.name.consumer)) {
    return {{},
            error_reply(ApiError::kInvalidArgument,
                        "ConsumerARN, StreamARN and ConsumerName name different consumers.")};
  }
  return parsed;
}

const stream::ConsumerInfo* find_consumer(Service& service, const stream::StreamInfo& stream,
                                          const ConsumerName& name) {
  const auto found = stream.consumers.find(name.consumer);
  if (found == stream.consumers.end() || found->second.gone_at(service.now())) return nullptr;
  if (name.created_seconds && *name.created_seconds != created_seconds(found->second))
    return nullptr;
  return &found->second;
}

std::int64_t consumer_count(Service& service, const stream::StreamInfo& stream) {
  return std::ranges::count_if(stream.consumers, [now = service.now()](const auto& named) {
    return !named.second.gone_at(now);
  });
}

Reply consumer_not_found(Service& service, const ConsumerName& name) {
  return error_reply(ApiError::kResourceNotFound,
                     fmt::format("Consumer {} under stream {}, account {} not found.",
                                 name.consumer, name.stream, service.options().account));
}

Reply consumer_not_active(Service& service, const ConsumerName& name,
                          const stream::ConsumerInfo& consumer) {
  return error_reply(
      ApiError::kResourceInUse,
      fmt::format("Consumer {} with creation timestamp {} under stream: {} , account {} is not in "
                  "ACTIVE status.",
                  name.consumer, created_seconds(consumer), name.stream,
                  service.options().account));
}

}  // namespace spillway::kinesis
