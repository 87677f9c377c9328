#include "kinesis/quotas.h"

#include <algorithm>

#include "kinesis/account_settings.h"
#include "kinesis/consumer_name.h"

namespace spillway::kinesis {

namespace {

using stream::StreamStatus;

constexpr std::int64_t kShardsOfLargeRegions = 500;
constexpr std::int64_t kShardsOfOthers = 200;
constexpr std::string_view kLargeRegions[] = {"us-east-1", "us-west-2", "eu-west-1"};
constexpr std::int64_t kTransitionsMax = 5;
constexpr std::int64_t kConsumersMax = 20;
constexpr std::int64_t kConsumersOfCommitted = 50;
constexpr std::int64_t kConsumersCreatingMax = 5;
constexpr std::int64_t kConsumersWithoutLimits = 1000;
constexpr std::int64_t kScaledMax = 10'000;
constexpr std::int64_t kEncryptionChangesMax = 25;
constexpr auto kDay = std::chrono::hours(24);

bool enforced(const Service& service) { return service.options().limits == Limits::kAws; }

Reply limit_exceeded(std::string_view message) {
  return error_reply(ApiError::kLimitExceeded, message);
}

bool committed(Service& service, const stream::Catalog& catalog) {
  return commitment_of(service, catalog.account, service.now()) != Commitment::kDisabled;
}

}  // namespace

std::int64_t shard_limit(const Service& service) {
  if (!enforced(service)) return kShardsMax;
  return std::ranges::find(kLargeRegions, service.options().region) != std::end(kLargeRegions)
             ? kShardsOfLargeRegions
             : kShardsOfOthers;
}

std::int64_t open_shards(const stream::Catalog& catalog, WallTime now) {
  std::size_t open = 0;
  for (const auto& [name, stream] : catalog.streams)
    if (!stream->gone_at(now) && stream->mode == stream::StreamMode::kProvisioned)
      open += stream->open_shard_count();
  return static_cast<std::int64_t>(open);
}

std::optional<Reply> over_shard_limit(Service& service, const stream::Catalog& catalog,
                                      std::int64_t additional) {
  if (!enforced(service) || additional <= 0) return std::nullopt;
  const auto open = open_shards(catalog, service.now());
  const auto limit = shard_limit(service);
  if (open + additional <= limit) return std::nullopt;
  return limit_exceeded(fmt::format(
      "This request would exceed the shard limit for the account {} in {}. Current shard "
      "count for the account: {}. Limit: {}. Number of additional shards that would have "
      "resulted from this request: {}.",
      service.options().account, service.options().region, open, limit, additional));
}

std::optional<Reply> over_on_demand_limit(Service& service, const stream::Catalog& catalog) {
  if (!enforced(service)) return std::nullopt;
  const auto now = service.now();
  const auto count = std::ranges::count_if(catalog.streams, [&](const auto& entry) {
    return !entry.second->gone_at(now) && entry.second->mode == stream::StreamMode::kOnDemand;
  });
  if (count < kOnDemandStreamsMax) return std::nullopt;
  return limit_exceeded(fmt::format(
      "This request would exceed the limit of {} on-demand streams for the account {} in {}.",
      kOnDemandStreamsMax, service.options().account, service.options().region));
}

std::optional<Reply> over_transitions(Service& service, const stream::Catalog& catalog,
                                      StreamStatus status) {
  if (!enforced(service)) return std::nullopt;
  const auto now = service.now();
  const auto count = std::ranges::count_if(catalog.streams, [&](const auto& entry) {
    return !entry.second->gone_at(now) && entry.second->status_at(now) == status;
  });
  if (count < kTransitionsMax) return std::nullopt;
  return limit_exceeded(
      fmt::format("Account {} has {} streams in status {} already, the most that "
                  "may be.",
                  service.options().account, count, to_string(status)));
}

std::optional<Reply> over_consumer_limit(Service& service, const stream::Catalog& catalog,
                                         const stream::StreamInfo& stream) {
  std::int64_t most = kConsumersWithoutLimits;
  if (enforced(service)) {
    const auto now = service.now();
    const auto creating = std::ranges::count_if(stream.consumers, [&](const auto& entry) {
      return entry.second.status_at(now) == StreamStatus::kCreating;
    });
    if (creating >= kConsumersCreatingMax) {
      return limit_exceeded(
          fmt::format("Stream {} under account {} has {} consumers in status CREATING already, the "
                      "most that may be.",
                      stream.name, service.options().account, creating));
    }
    const bool advantage =
        stream.mode == stream::StreamMode::kOnDemand && committed(service, catalog);
    most = advantage ? kConsumersOfCommitted : kConsumersMax;
  }
  if (consumer_count(service, stream) < most) return std::nullopt;
  return limit_exceeded(fmt::format("A stream has at most {} consumers here.", most));
}

std::optional<Reply> over_scaling(Service& service, const stream::StreamInfo& stream,
                                  std::int64_t target) {
  if (!enforced(service)) return std::nullopt;
  const auto open = static_cast<std::int64_t>(stream.open_shard_count());
  const auto refused = [&](std::string_view why) {
    return limit_exceeded(
        fmt::format("{} Current open shard count: {}, Target shard count: {}", why, open, target));
  };
  if (target > kScaledMax) {
    return refused(fmt::format(
        "Target shard count or number of open shards cannot be greater than {}.", kScaledMax));
  }
  if (target > open * 2)
    return refused("UpdateShardCount cannot scale up over double your current open shard count.");
  if (target * 2 < open)
    return refused("UpdateShardCount cannot scale down below half your current open shard count.");
  if (!service.limits().has_daily(DailyQuota::kUpdateShardCount, stream.id, service.mono_now())) {
    return limit_exceeded(
        fmt::format("Stream {} under account {} was scaled 10 times in the last 24 "
                    "hours, the most that may be.",
                    stream.name, service.options().account));
  }
  return std::nullopt;
}

std::optional<Reply> over_mode_switches(Service& service, const stream::StreamInfo& stream) {
  if (service.limits().has_daily(DailyQuota::kUpdateStreamMode, stream.id, service.mono_now()))
    return std::nullopt;
  return limit_exceeded(
      fmt::format("The mode of stream {} under account {} was changed twice in the "
                  "last 24 hours, the most that may be.",
                  stream.name, service.options().account));
}

std::optional<Reply> over_encryption_changes(Service& service, const stream::StreamInfo& stream,
                                             EncryptionChange change) {
  if (!enforced(service)) return std::nullopt;
  const bool stops = change == EncryptionChange::kStop;
  const auto count = std::ranges::count_if(stream.encryption.keys, [&](const auto& key) {
    return key.wrapped.empty() == stops && key.since + kDay > service.now();
  });
  if (count < kEncryptionChangesMax) return std::nullopt;
  return limit_exceeded(
      fmt::format("Encryption of stream {} under account {} was {} {} times in the last 24 hours, "
                  "the most that may be.",
                  stream.name, service.options().account, stops ? "stopped" : "started", count));
}

std::optional<Reply> without_commitment(Service& service, const stream::Catalog& catalog) {
  if (!enforced(service) || committed(service, catalog)) return std::nullopt;
  return error_reply(ApiError::kValidation,
                     fmt::format("Warm throughput needs MinimumThroughputBillingCommitment, which "
                                 "account {} has not enabled.",
                                 service.options().account));
}

Reply too_many_calls(const Service& service, std::string_view stream) {
  const std::string of = fmt::format("account {}", service.options().account);
  return limit_exceeded(stream.empty()
                            ? fmt::format("Rate exceeded for {}.", of)
                            : fmt::format("Rate exceeded for stream {} under {}.", stream, of));
}

}  // namespace spillway::kinesis
