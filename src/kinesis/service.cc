#include "kinesis/service.h"

#include "base/assert.h"
#include "kinesis/quotas.h"
#include "stream/sequence_number.h"

namespace spillway::kinesis {

namespace {

struct ErrorRow {
  std::string_view type;
  int status;
};

ErrorRow row_of(ApiError error) {
  switch (error) {
    case ApiError::kAccessDenied:
      return {"AccessDeniedException", 400};
    case ApiError::kDryRun:
      return {"DryRunOperationException", 400};
    case ApiError::kExpiredIterator:
      return {"ExpiredIteratorException", 400};
    case ApiError::kExpiredNextToken:
      return {"ExpiredNextTokenException", 400};
    case ApiError::kInternalFailure:
      return {"InternalFailureException", 500};
    case ApiError::kInvalidArgument:
      return {"InvalidArgumentException", 400};
    case ApiError::kKmsAccessDenied:
      return {"KMSAccessDeniedException", 400};
    case ApiError::kKmsDisabled:
      return {"KMSDisabledException", 400};
    case ApiError::kKmsInvalidState:
      return {"KMSInvalidStateException", 400};
    case ApiError::kKmsNotFound:
      return {"KMSNotFoundException", 400};
    case ApiError::kKmsOptInRequired:
      return {"KMSOptInRequired", 400};
    case ApiError::kKmsThrottling:
      return {"KMSThrottlingException", 400};
    case ApiError::kLimitExceeded:
      return {"LimitExceededException", 400};
    case ApiError::kProvisionedThroughputExceeded:
      return {"ProvisionedThroughputExceededException", 400};
    case ApiError::kResourceInUse:
      return {"ResourceInUseException", 400};
    case ApiError::kResourceNotFound:
      return {"ResourceNotFoundException", 400};
    case ApiError::kSerialization:
      return {"SerializationException", 400};
    case ApiError::kUnknownOperation:
      return {"UnknownOperationException", 400};
    case ApiError::kValidation:
      return {"ValidationException", 400};
  }
  return {"InternalFailureException", 500};
}

}  // namespace

std::string stream_arn(const ServiceOptions& options, std::string_view stream) {
  return fmt::format("arn:aws:kinesis:{}:{}:stream/{}", options.region, options.account, stream);
}

SharedBytes error_document(wire::Format format, std::string_view type, std::string_view message) {
  wire::DocumentWriter document(format);
  document.open_map().text("__type", type);
  document.text(type == "SerializationException" ? "Message" : "message", message);
  document.close_map();
  return std::move(document).finish();
}

stream::StreamRef Service::existing(const stream::Catalog& catalog, std::string_view name) {
  auto stream = catalog.find(name);
  return stream != nullptr && stream->gone_at(now()) ? nullptr : stream;
}

void Service::settle_later(stream::Lifecycle& changed, stream::StreamStatus status) {
  if (options_.transition == milliseconds(0)) return;
  changed.status = status;
  changed.settles_at = now() + options_.transition;
}

void Service::remove_deleted(UniqueFunction<void(Status)> done) {
  const auto removal = [now = now()](const stream::Catalog& catalog) {
    stream::CatalogChange change;
    for (const auto& [name, stream] : catalog.streams) {
      const auto gone = [now](const auto& consumer) { return consumer.second.gone_at(now); };
      // The newest shard stays in any case: the next one's index is counted from it.
      const auto outlived = [now, &stream = *stream](const stream::ShardInfo& shard) {
        return expired(stream, shard, now) && shard.index != stream.shards.back().index;
      };
      if (stream->gone_at(now)) {
        change.remove.push_back(name);
      } else if (std::ranges::any_of(stream->consumers, gone) ||
                 std::ranges::any_of(stream->shards, outlived)) {
        auto& put = change.put.emplace_back(*stream);
        std::erase_if(put.consumers, gone);
        std::erase_if(put.shards, outlived);
      }
    }
    return change;
  };
  const auto change = removal(*engine_.catalog());
  if (change.remove.empty() && change.put.empty()) return done({});
  engine_.update_catalog(
      [removal](const stream::Catalog& catalog) -> Result<stream::CatalogChange> {
        return removal(catalog);
      },
      [done = std::move(done)](Result<stream::CatalogRef> changed) mutable {
        done(changed.ok() ? Status() : Status(changed.error()));
      });
}

void Service::forget_deleted() {
  limits_.forget_unused(clock_.mono_now());
  const auto catalog = engine_.catalog();
  if (std::exchange(forgotten_version_, catalog->version) == catalog->version) return;
  traffic_.keep_only(*catalog);
  callers_.keep_only(*catalog);
}

Reply error_reply(ApiError error, std::string_view message) {
  const ErrorRow row = row_of(error);
  return {row.status, std::string(row.type), std::string(message), {}};
}

Reply validation_reply(std::span<const std::string> violations) {
  return error_reply(ApiError::kValidation,
                     fmt::format("{} validation error{} detected: {}", violations.size(),
                                 violations.size() == 1 ? "" : "s", fmt::join(violations, "; ")));
}

bool dry_run(const wire::Value& input) { return input["DryRun"].integer != 0; }

Reply dry_run_reply() {
  return error_reply(ApiError::kDryRun,
                     "Request would have succeeded, but the DryRun parameter is set.");
}

Reply engine_reply(const Error& error, std::string_view where) {
  if (error.code == ErrorCode::kThrottled) {
    return error_reply(ApiError::kProvisionedThroughputExceeded,
                       fmt::format("Rate exceeded for {}.", where));
  }
  return error_reply(ApiError::kInternalFailure, error.message);
}

Reply data_key_reply(const Error& error) {
  switch (error.code) {
    case ErrorCode::kNotFound:
      return error_reply(ApiError::kKmsNotFound, error.message);
    case ErrorCode::kClosed:
      return error_reply(ApiError::kKmsDisabled, error.message);
    case ErrorCode::kDenied:
      return error_reply(ApiError::kKmsAccessDenied, error.message);
    case ErrorCode::kBusy:
      return error_reply(ApiError::kKmsThrottling, error.message);
    default:  // it is there, and not what it should be
      return error_reply(ApiError::kKmsInvalidState, error.message);
  }
}

Reply reply_with(wire::DocumentWriter document) {
  Reply reply;
  reply.body.push_back(std::move(document).finish());
  return reply;
}

namespace {

// The name of the stream that the input names, whether there is one or not; empty where none is.
std::string_view named_stream(const wire::Value& input) {
  constexpr std::string_view kBefore = ":stream/";
  if (const auto* name = input.find("StreamName"); name != nullptr && name->present)
    return name->text;
  for (const char* member : {"StreamARN", "ResourceARN", "ConsumerARN"}) {
    const auto* arn = input.find(member);
    if (arn == nullptr || !arn->present) continue;
    const std::size_t at = arn->text.find(kBefore);
    if (at == std::string_view::npos) continue;
    const auto name = arn->text.substr(at + kBefore.size());
    return name.substr(0, name.find('/'));
  }
  return {};
}

// Those about records note more, where they know it.
bool about_records(std::string_view operation) {
  return operation == "PutRecord" || operation == "PutRecords" || operation == "GetRecords" ||
         operation == "SubscribeToShard";
}

// Counts the call of an operation; gives the answer to one that comes too soon.
std::optional<Reply> admit(Service& service, const Call& call, const wire::Value& input) {
  if (about_records(call.operation)) return std::nullopt;
  const auto name = named_stream(input);
  if (!service.limits().take_call(call.operation, name, service.mono_now()))
    return too_many_calls(service, name);
  if (name.empty()) return std::nullopt;
  if (const auto stream = service.existing(*service.engine().catalog(), name))
    service.callers().saw(caller_of(call), *stream, Use::kDescribe, service.now());
  return std::nullopt;
}

}  // namespace

Result<wire::Value> decode_input(const Call& call, const wire::Shape& shape) {
  static_assert(kBodyPadding >= wire::kJsonPadding);
  SPILLWAY_ASSERT(call.body.capacity() >= call.body.size() + kBodyPadding);
  return call.format == wire::Format::kJson ? wire::decode_json(call.body, shape)
                                            : wire::decode_cbor(call.body, shape, call.format);
}

Input read_input(Service& service, Call& call, const wire::Shape& shape) {
  auto value = decode_input(call, shape);
  if (!value.ok()) return {{}, error_reply(ApiError::kSerialization, value.error().message)};
  const auto violations = wire::violations(*value);
  if (!violations.empty()) return {{}, validation_reply(violations)};
  if (auto refusal = authorize(service, call, *value)) return {{}, std::move(refusal)};
  if (auto refusal = admit(service, call, *value)) return {{}, std::move(refusal)};
  return {std::move(value).value(), std::nullopt};
}

StreamName name_in(Service& service, const wire::Value& input) {
  const auto* named = input.find("StreamName");  // some inputs have only the ARN
  const auto name = named != nullptr ? named->string() : std::nullopt;
  const auto arn = input["StreamARN"].string();
  if (!name && !arn) {
    return {"", error_reply(ApiError::kInvalidArgument,
                            named != nullptr ? "Either StreamName or StreamARN must be provided."
                                             : "StreamARN must be provided.")};
  }
  if (!arn) return {std::string(*name), std::nullopt};
  const std::string_view in_arn = arn->substr(arn->rfind('/') + 1);
  if (name && *name != in_arn) {
    return {"", error_reply(ApiError::kInvalidArgument,
                            "StreamName and StreamARN name different streams.")};
  }
  if (*arn != service.arn_of(in_arn)) {
    return {"",
            error_reply(ApiError::kResourceNotFound,
                        fmt::format("Stream {} not found: this endpoint serves account {} in {}.",
                                    *arn, service.options().account, service.options().region))};
  }
  return {std::string(in_arn), std::nullopt};
}

Reply stream_not_found(Service& service, std::string_view name) {
  return error_reply(
      ApiError::kResourceNotFound,
      fmt::format("Stream {} under account {} not found.", name, service.options().account));
}

FoundStream find_stream(Service& service, const wire::Value& input) {
  auto named = name_in(service, input);
  if (named.refusal) return {nullptr, std::move(named.refusal)};
  auto stream = service.existing(*service.engine().catalog(), named.name);
  if (stream == nullptr) return {nullptr, stream_not_found(service, named.name)};
  return {std::move(stream), std::nullopt};
}

FoundStream find_usable_stream(Service& service, const wire::Value& input) {
  auto found = find_stream(service, input);
  if (!found.refusal && !settled(service, *found.stream))
    found.refusal = stream_not_found(service, found.stream->name);
  return found;
}

bool settled(Service& service, const stream::StreamInfo& stream) {
  const auto status = stream.status_at(service.now());
  return status != stream::StreamStatus::kCreating && status != stream::StreamStatus::kDeleting;
}

Reply not_active(Service& service, const stream::StreamInfo& stream) {
  return error_reply(
      ApiError::kResourceInUse,
      fmt::format("Stream {} under account {} not ACTIVE, instead in state {}", stream.name,
                  service.options().account, to_string(stream.status_at(service.now()))));
}

Reply too_many_shards() {
  return error_reply(ApiError::kLimitExceeded,
                     fmt::format("A stream has at most {} shards here.", kShardsMax));
}

Task<Reply> change_stream(Service& service, Call& call, std::string name, StreamEdit edit,
                          Needs needs) {
  std::optional<Reply> refusal;
  auto awaiter = on_loop<Result<stream::CatalogRef>>(call.loop, [&](auto done) {
    service.engine().update_catalog(
        [&](const stream::Catalog& catalog) -> Result<stream::CatalogChange> {
          const auto stream = service.existing(catalog, name);
          stream::CatalogChange change;
          if (stream == nullptr) {
            refusal = stream_not_found(service, name);
          } else if (needs == Needs::kActive &&
                     stream->status_at(service.now()) != stream::StreamStatus::kActive) {
            refusal = not_active(service, *stream);
          } else {
            change.put.push_back(*stream);
            change.put.front().status = stream->status_at(service.now());
            refusal = edit(catalog, change);
          }
          if (refusal) return Error{ErrorCode::kInvalid, ""};
          return change;
        },
        std::move(done));
  });
  auto changed = co_await awaiter;
  if (refusal) co_return std::move(*refusal);
  if (!changed.ok()) co_return engine_reply(changed.error(), call.operation);
  co_return Reply{};
}

Task<Reply> change_stream(Service& service, Call& call, const wire::Value& input, StreamEdit edit) {
  auto named = name_in(service, input);
  if (named.refusal) co_return std::move(*named.refusal);
  co_return co_await change_stream(service, call, std::move(named.name), std::move(edit));
}

void write_hash_key_range(wire::DocumentWriter& to, const stream::ShardInfo& shard) {
  to.key("HashKeyRange").open_map();
  to.text("StartingHashKey", spillway::to_string(shard.first_hash_key));
  to.text("EndingHashKey", spillway::to_string(shard.last_hash_key)).close_map();
}

void write_shard(wire::DocumentWriter& to, const stream::ShardInfo& shard) {
  to.open_map().text("ShardId", stream::shard_name(shard.index));
  if (shard.parent) to.text("ParentShardId", stream::shard_name(*shard.parent));
  if (shard.adjacent_parent)
    to.text("AdjacentParentShardId", stream::shard_name(*shard.adjacent_parent));
  write_hash_key_range(to, shard);
  to.key("SequenceNumberRange").open_map();
  to.text("StartingSequenceNumber", stream::to_string(stream::start_of(shard)));
  if (!shard.open()) to.text("EndingSequenceNumber", stream::to_string(stream::end_of(shard)));
  to.close_map().close_map();
}

std::string_view to_string(stream::StreamStatus status) {
  switch (status) {
    case stream::StreamStatus::kCreating:
      return "CREATING";
    case stream::StreamStatus::kActive:
      return "ACTIVE";
    case stream::StreamStatus::kUpdating:
      return "UPDATING";
    case stream::StreamStatus::kDeleting:
      return "DELETING";
  }
  return "";
}

std::string_view to_string(stream::StreamMode mode) {
  switch (mode) {
    case stream::StreamMode::kProvisioned:
      return "PROVISIONED";
    case stream::StreamMode::kOnDemand:
      return "ON_DEMAND";
  }
  return "";
}

std::string_view to_string(stream::RecordDistribution distribution) {
  switch (distribution) {
    case stream::RecordDistribution::kUserPartitionKey:
      return "USER_PARTITION_KEY";
    case stream::RecordDistribution::kAuto:
      return "AUTO";
  }
  return "";
}

bool expired(const stream::StreamInfo& stream, const stream::ShardInfo& shard, WallTime now) {
  return shard.ended && shard.ended->closed_at < stream.horizon(now);
}

}  // namespace spillway::kinesis
