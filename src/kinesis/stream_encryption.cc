// StartStreamEncryption and StopStreamEncryption.
#include "kinesis/handlers.h"
#include "kinesis/quotas.h"
#include "kinesis/service.h"
#include "wire/kinesis_shapes.h"

namespace spillway::kinesis {

namespace {

constexpr std::size_t kDataKeysMax = 1'000;  // of a stream
constexpr auto kRetentionMax = std::chrono::hours(8760);

// When a change of encryption is said to have been: no record that is there arrived later.
WallTime time_behind(Service& service, const stream::StreamInfo& stream) {
  WallTime time = service.now();
  for (const auto& shard : stream.shards) {
    if (const auto tip = service.engine().tip(shard.id); tip.ok())
      time = std::max(time, tip->last_arrival);
  }
  return time;
}

// Those of records that no retention period can keep any longer.
void drop_outlived(std::vector<stream::DataKey>& keys, WallTime now) {
  while (keys.size() > 1 && keys[1].since + kRetentionMax < now) keys.erase(keys.begin());
}

std::optional<Reply> wrong_type(const wire::Value& input) {
  if (input["EncryptionType"].text == "KMS") return std::nullopt;
  return error_reply(ApiError::kInvalidArgument, "The only valid EncryptionType is KMS.");
}

}  // namespace

// On a stream that is encrypted: with another master key, or only with another data key.
Task<Reply> start_stream_encryption(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kStartStreamEncryptionInput);
  if (input.refusal) co_return std::move(*input.refusal);
  if (auto refusal = wrong_type(input.value)) co_return *std::move(refusal);
  auto found = find_stream(service, input.value);
  if (found.refusal) co_return *std::move(found.refusal);
  const WallTime time = time_behind(service, *found.stream);
  const std::string key_id(input.value["KeyId"].text);
  StreamEdit edit = [&](const stream::Catalog&,
                        stream::CatalogChange& change) -> std::optional<Reply> {
    auto& stream = change.put.front();
    auto& encryption = stream.encryption;
    // What was put since then came earlier than this change, too.
    const WallTime since = std::max(time, service.now());
    drop_outlived(encryption.keys, service.now());
    if (auto refusal = over_encryption_changes(service, stream, EncryptionChange::kStart))
      return refusal;
    if (encryption.keys.size() >= kDataKeysMax) {
      return error_reply(ApiError::kLimitExceeded,
                         fmt::format("Stream {} has changed its encryption {} times within a year.",
                                     stream.name, kDataKeysMax));
    }
    auto key = service.data_keys().make(stream, key_id, since);
    if (!key.ok()) return data_key_reply(key.error());
    encryption.on = true;
    encryption.key_id = key_id;
    encryption.keys.push_back(*std::move(key));
    service.settle_later(stream, stream::StreamStatus::kUpdating);
    return std::nullopt;
  };
  co_return co_await change_stream(service, call, input.value, std::move(edit));
}

// Whatever has become of its key: what is put from now on needs none.
Task<Reply> stop_stream_encryption(Service& service, Call& call) {
  auto input = read_input(service, call, wire::kinesis::kStopStreamEncryptionInput);
  if (input.refusal) co_return std::move(*input.refusal);
  if (auto refusal = wrong_type(input.value)) co_return *std::move(refusal);
  StreamEdit edit = [&](const stream::Catalog&,
                        stream::CatalogChange& change) -> std::optional<Reply> {
    auto& stream = change.put.front();
    auto& encryption = stream.encryption;
    if (encryption.on) {
      if (auto refusal = over_encryption_changes(service, stream, EncryptionChange::kStop))
        return refusal;
      const auto& last = encryption.keys.back();
      encryption.keys.push_back({last.number + 1, std::max(service.now(), last.since), ""});
    }
    encryption.on = false;
    encryption.key_id.clear();
    service.settle_later(stream, stream::StreamStatus::kUpdating);
    return std::nullopt;
  };
  co_return co_await change_stream(service, call, input.value, std::move(edit));
}

}  // namespace spillway::kinesis
