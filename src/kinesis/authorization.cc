#include "kinesis/authorization.h"

#include "auth/keys.h"
#include "base/assert.h"
#include "kinesis/consumer_name.h"
#include "kinesis/list_shards.h"
#include "kinesis/record_origin.h"
#include "kinesis/service.h"

namespace spillway::kinesis {

namespace {

constexpr std::size_t kPoliciesMax = 10'000;  // parsed at a time
// No operation: to say where records come from, which readers trust.
constexpr std::string_view kPutOrigin = "spillway:PutOrigin";

// How an input says which resource an operation concerns.
enum class Names {
  kNothing,   // none: "*"
  kStream,    // StreamName or StreamARN
  kListing,   // likewise, or NextToken
  kConsumer,  // ConsumerARN, or StreamARN and ConsumerName
  kIterator,  // ShardIterator
  kResource,  // ResourceARN
};

enum class Plane { kControl, kData };

struct Row {
  std::string_view operation;
  Names names;
  Plane plane = Plane::kControl;
  // What an input with Tags has to be allowed besides.
  std::string_view with_tags = {};
};

// By operation. The resources are those of "Actions, resources, and condition keys for Amazon
// Kinesis Data Streams" in the AWS Service Authorization Reference.
constexpr Row kRows[] = {
    {"AddTagsToStream", Names::kStream},
    {"CreateStream", Names::kStream, Plane::kControl, "kinesis:AddTagsToStream"},
    {"DecreaseStreamRetentionPeriod", Names::kStream},
    {"DeleteResourcePolicy", Names::kResource},
    {"DeleteStream", Names::kStream},
    {"DeregisterStreamConsumer", Names::kConsumer},
    {"DescribeAccountSettings", Names::kNothing},
    {"DescribeLimits", Names::kNothing},
    {"DescribeStream", Names::kStream},
    {"DescribeStreamConsumer", Names::kConsumer},
    {"DescribeStreamSummary", Names::kStream},
    {"DisableEnhancedMonitoring", Names::kStream},
    {"EnableEnhancedMonitoring", Names::kStream},
    {"GetRecords", Names::kIterator, Plane::kData},
    {"GetResourcePolicy", Names::kResource},
    {"GetShardIterator", Names::kStream, Plane::kData},
    {"IncreaseStreamRetentionPeriod", Names::kStream},
    {"ListShards", Names::kListing},
    {"ListStreamConsumers", Names::kStream},
    {"ListStreams", Names::kNothing},
    {"ListTagsForResource", Names::kResource},
    {"ListTagsForStream", Names::kStream},
    {"MergeShards", Names::kStream},
    {"PutRecord", Names::kStream, Plane::kData},
    {"PutRecords", Names::kStream, Plane::kData},
    {"PutResourcePolicy", Names::kResource},
    {"RegisterStreamConsumer", Names::kStream, Plane::kControl, "kinesis:TagResource"},
    {"RemoveTagsFromStream", Names::kStream},
    {"SplitShard", Names::kStream},
    {"StartStreamEncryption", Names::kStream},
    {"StopStreamEncryption", Names::kStream},
    {"SubscribeToShard", Names::kConsumer, Plane::kData},
    {"TagResource", Names::kResource},
    {"UntagResource", Names::kResource},
    {"UpdateAccountSettings", Names::kNothing},
    {"UpdateMaxRecordSize", Names::kStream},
    {"UpdateShardCount", Names::kStream},
    {"UpdateStreamMode", Names::kStream},
    {"UpdateStreamRecordDistributionStrategy", Names::kStream},
    {"UpdateStreamWarmThroughput", Names::kStream},
};

const Row& row_of(std::string_view operation) {
  const auto* const row = std::ranges::lower_bound(kRows, operation, {}, &Row::operation);
  SPILLWAY_ASSERT(row != std::end(kRows) && row->operation == operation);
  return *row;
}

// What an input names. A stream or consumer of this region and account goes by its name: another
// spelling of its ARN may not slip past a policy.
struct Target {
  std::string stream;                    // empty: none of this region
  std::optional<ConsumerName> consumer;  // of the stream
  std::string other;                     // instead: an ARN of something else, or "*"

  bool named() const { return !stream.empty() || !other.empty(); }
};

std::optional<std::string_view> text_of(const wire::Value& input, std::string_view member) {
  const auto* value = input.find(member);
  return value != nullptr ? value->string() : std::nullopt;
}

Target stream_target(std::string_view name) { return {std::string(name), std::nullopt, ""}; }

Target stream_arn_target(Service& service, std::string_view arn) {
  const std::string_view name = arn.substr(arn.rfind('/') + 1);
  if (arn == service.arn_of(name)) return stream_target(name);
  return {"", std::nullopt, std::string(arn)};  // there is no such thing here, but who may know?
}

Target arn_target(Service& service, std::string_view arn) {
  auto consumer = parse_consumer_arn(service, arn);
  if (!consumer) return stream_arn_target(service, arn);
  std::string stream = consumer->stream;
  return {std::move(stream), std::move(consumer), ""};
}

Target named_stream(Service& service, const wire::Value& input) {
  // Where both are given and differ, the operation refuses them.
  if (const auto arn = text_of(input, "StreamARN")) return stream_arn_target(service, *arn);
  if (const auto name = text_of(input, "StreamName")) return stream_target(*name);
  return {};
}

Target target_of(Service& service, Names names, const wire::Value& input) {
  switch (names) {
    case Names::kNothing:
      return {"", std::nullopt, "*"};
    case Names::kStream:
      return named_stream(service, input);
    case Names::kListing:
      if (const auto token = text_of(input, "NextToken")) {
        const auto stream = stream_of_listing(service, *token);
        return stream ? stream_target(*stream) : Target();
      }
      return named_stream(service, input);
    case Names::kConsumer: {
      if (const auto arn = text_of(input, "ConsumerARN")) return arn_target(service, *arn);
      const auto name = text_of(input, "ConsumerName");
      auto target = named_stream(service, input);
      if (name && !target.stream.empty())
        target.consumer = ConsumerName{target.stream, std::string(*name), std::nullopt};
      return target;
    }
    case Names::kIterator: {
      const auto iterator =
          stream::open_iterator(service.sealer(), text_of(input, "ShardIterator").value_or(""));
      return iterator ? stream_target(iterator->stream_name) : Target();
    }
    case Names::kResource:
      return arn_target(service, text_of(input, "ResourceARN").value_or(""));
  }
  return {};
}

// The resource as the catalog has it now; nullptr where there is none.
struct Found {
  stream::StreamRef stream;
  const stream::ConsumerInfo* consumer = nullptr;  // of the stream
};

Found find(Service& service, const Target& target) {
  if (target.stream.empty()) return {};
  Found found{service.existing(*service.engine().catalog(), target.stream), nullptr};
  if (found.stream != nullptr && target.consumer)
    found.consumer = find_consumer(service, *found.stream, *target.consumer);
  return found;
}

std::shared_ptr<const auth::Policy> policy_of(Service& service, const Target& target,
                                              const Found& found) {
  auto& policies = service.resource_policies();
  if (found.consumer != nullptr) return policies.find(found.consumer->id, found.consumer->policy);
  if (found.stream == nullptr || target.consumer) return nullptr;
  return policies.find(found.stream->id, found.stream->policy);
}

std::string arn_of(Service& service, const Target& target, const Found& found) {
  if (target.stream.empty()) return target.other;
  if (!target.consumer) return service.arn_of(target.stream);
  const auto& name = *target.consumer;
  if (found.consumer != nullptr)
    return arn_of(service, name.stream, name.consumer, *found.consumer);
  std::string arn = service.arn_of(name.stream) + "/consumer/" + name.consumer;
  if (name.created_seconds) arn += fmt::format(":{}", *name.created_seconds);
  return arn;
}

// What the input has to be allowed besides its operation; empty: nothing.
std::string_view besides(const Row& row, const wire::Value& input) {
  if (row.plane == Plane::kData) return has_origin(input) ? kPutOrigin : "";
  const auto* tags = row.with_tags.empty() ? nullptr : input.find("Tags");
  return tags != nullptr && !tags->children.empty() ? row.with_tags : "";
}

Reply access_denied(const auth::AccessRequest& request, const auth::JointDecision& decision) {
  const bool by_rule = decision.outcome == auth::Outcome::kExplicitDeny;
  return error_reply(
      ApiError::kAccessDenied,
      fmt::format("User: {} is not authorized to perform: {} on resource: {} {}", request.principal,
                  request.action, request.resource,
                  by_rule ? fmt::format("with an explicit deny in {}",
                                        decision.by_resource ? "a resource-based policy"
                                                             : "an identity-based policy")
                          : fmt::format("because no identity-based policy allows the {} action",
                                        request.action)));
}

}  // namespace

bool is_data_plane(std::string_view operation) { return row_of(operation).plane == Plane::kData; }

std::optional<Reply> authorize(Service& service, Call& call, const wire::Value& input) {
  const Row& row = row_of(call.operation);
  // Without keys anybody may do anything.
  if (call.key == nullptr && row.plane == Plane::kData) return std::nullopt;
  const Target target = target_of(service, row.names, input);
  if (!target.named()) return std::nullopt;
  const Found found = find(service, target);
  if (row.plane == Plane::kControl) call.resource = arn_of(service, target, found);
  if (call.key == nullptr) return std::nullopt;
  const auto resource_policy = policy_of(service, target, found);
  if (call.key->policy == nullptr && resource_policy == nullptr) return std::nullopt;

  if (call.resource.empty()) call.resource = arn_of(service, target, found);
  const auto check = [&](std::string_view action) {
    return check_policies(service.options(), call, action, resource_policy.get());
  };
  if (auto refusal = check("kinesis:" + call.operation)) return refusal;
  const auto more = besides(row, input);
  return more.empty() ? std::nullopt : check(more);
}

std::optional<Reply> check_policies(const ServiceOptions& options, const Call& call,
                                    std::string_view action, const auth::Policy* of_resource) {
  if (call.key == nullptr) return std::nullopt;
  const std::string principal =
      fmt::format("arn:aws:iam::{}:user/{}", options.account, call.key->user());
  auth::AccessRequest request;
  request.action = action;
  request.resource = call.resource;
  request.principal = principal;
  request.account = options.account;
  request.user = call.key->user();
  request.source_ip = call.peer;
  request.user_agent = call.user_agent;
  request.region = options.region;
  request.secure = call.secure;
  const auto decision = auth::decide(call.key->policy.get(), of_resource, request);
  if (decision.outcome == auth::Outcome::kAllow) return std::nullopt;
  return access_denied(request, decision);
}

std::shared_ptr<const auth::Policy> ResourcePolicies::find(std::uint64_t id,
                                                           const std::string& text) {
  if (text.empty()) return nullptr;
  std::shared_ptr<const Entry> known;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = entries_.find(id); found != entries_.end()) known = found->second;
  }
  if (known != nullptr && known->text == text) return known->policy;
  auto parsed = auth::Policy::parse(text, auth::PolicyKind::kResource);
  if (!parsed.ok()) {
    parsed = auth::Policy::parse(
        R"({"Statement":{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}})",
        auth::PolicyKind::kResource);
  }
  const auto entry = std::make_shared<Entry>(
      Entry{text, std::make_shared<const auth::Policy>(*std::move(parsed))});
  const std::lock_guard lock(mutex_);
  if (entries_.size() >= kPoliciesMax) entries_.clear();
  entries_[id] = entry;
  return entry->policy;
}

}  // namespace spillway::kinesis
