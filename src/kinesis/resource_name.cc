#include "kinesis/resource_name.h"

namespace spillway::kinesis {

namespace {

// …:stream/NAME, or …:stream/NAME/consumer/…; the model's pattern allows more.
bool names_a_resource(std::string_view arn) {
  for (int i = 0; i < 5; ++i) arn.remove_prefix(arn.find(':') + 1);
  if (!arn.starts_with("stream/")) return false;
  const std::size_t slash = arn.find('/', sizeof("stream/") - 1);
  return slash == std::string_view::npos || arn.substr(slash).starts_with("/consumer/");
}

}  // namespace

ResourceName resource_in(Service& service, const wire::Value& input) {
  const std::string_view arn = input["ResourceARN"].text;
  if (auto consumer = parse_consumer_arn(service, arn)) {
    std::string stream = consumer->stream;
    return {std::move(stream), std::move(consumer), std::nullopt};
  }
  const std::string_view name = arn.substr(arn.rfind('/') + 1);
  if (arn == service.arn_of(name)) return {std::string(name), std::nullopt, std::nullopt};
  if (!names_a_resource(arn)) {
    return {
        "", std::nullopt,
        error_reply(ApiError::kInvalidArgument,
                    fmt::format("ResourceARN {} is neither a stream's nor a consumer's.", arn))};
  }
  return {"", std::nullopt,
          error_reply(ApiError::kResourceNotFound,
                      fmt::format("Resource {} not found: this endpoint serves account {} in "
                                  "{}.",
                                  arn, service.options().account, service.options().region))};
}

FoundResource find_resource(Service& service, const wire::Value& input) {
  auto resource = resource_in(service, input);
  if (resource.refusal) return {nullptr, nullptr, std::move(resource.refusal)};
  auto stream = service.existing(*service.engine().catalog(), resource.stream);
  if (stream == nullptr) return {nullptr, nullptr, stream_not_found(service, resource.stream)};
  if (!settled(service, *stream)) return {nullptr, nullptr, not_active(service, *stream)};
  if (!resource.consumer) return {std::move(stream)};
  const auto* consumer = find_consumer(service, *stream, *resource.consumer);
  if (consumer == nullptr)
    return {nullptr, nullptr, consumer_not_found(service, *resource.consumer)};
  return {std::move(stream), consumer};
}

}  // namespace spillway::kinesis
