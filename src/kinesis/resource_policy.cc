// PutResourcePolicy, GetResourcePolicy and DeleteResourcePolicy: who may do what to a stream or a
// consumer. authorization.cc is where they are followed.
#include "auth/policy.h"
#include "kinesis/handlers.h"
#include "kinesis/resource_name.h"
#include "wire/kinesis_shapes.h"

namespace spillway::kinesis {

namespace {

constexpr std::string_view kNoPolicy = "{}";  // as AWS says where there is none

// `policy` empty: none from now on.
Task<Reply> set_policy(Service& service, Call& call, ResourceName resource, std::string policy) {
  if (resource.refusal) co_return std::move(*resource.refusal);
  StreamEdit edit = [&](const stream::Catalog&,
                        stream::CatalogChange& change) -> std::optional<Reply> {
    auto& stream = change.put.front();
    if (!resource.consumer) {
      stream.policy = policy;
      return std::nullopt;
    }
    const auto* consumer = find_consumer(service, stream, *resource.consumer);
    if (consumer == nullptr) return consumer_not_found(service, *resource.consumer);
    if (consumer->status_at(service.now()) != stream::StreamStatus::kActive)
      return consumer_not_active(service, *resource.consumer, *consumer);
    stream.consumers[resource.consumer->consumer].policy = policy;
    return std::nullopt;
  };
  co_return co_await change_stream(service, call, resource.stream, std::move(edit));
}

}  // namespace

Task<Reply> put_resource_policy(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kPutResourcePolicyInput);
  if (input.refusal) co_return std::move(*input.refusal);
  const std::string policy(input.value["Policy"].text);
  if (const auto parsed = auth::Policy::parse(policy, auth::PolicyKind::kResource); !parsed.ok()) {
    co_return error_reply(ApiError::kInvalidArgument,
                          fmt::format("The policy is invalid: {}", parsed.error().message));
  }
  co_return co_await set_policy(service, call, resource_in(service, input.value), policy);
}

Task<Reply> delete_resource_policy(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kDeleteResourcePolicyInput);
  if (input.refusal) co_return std::move(*input.refusal);
  co_return co_await set_policy(service, call, resource_in(service, input.value), "");
}

Task<Reply> get_resource_policy(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kGetResourcePolicyInput);
  if (input.refusal) co_return std::move(*input.refusal);
  auto found = find_resource(service, input.value);
  if (found.refusal) co_return std::move(*found.refusal);
  const std::string_view policy =
      found.consumer != nullptr ? found.consumer->policy : found.stream->policy;
  wire::DocumentWriter document(call.format);
  document.open_map().text("Policy", policy.empty() ? kNoPolicy : policy).close_map();
  co_return reply_with(std::move(document));
}

}  // namespace spillway::kinesis
