// Kinesis's quotas, as `limits = "aws"` enforces them: how many of what an account and a stream may
// have (docs/limits.md). Each gives the answer of a refusal, or nullopt; under Limits::kNone always
// nullopt, but where a number of this build's own is reached.
#pragma once

#include <cstdint>
#include <optional>

#include "kinesis/service.h"

namespace spillway::kinesis {

// Open shards of provisioned streams that the account may have.
std::int64_t shard_limit(const Service& service);
std::int64_t open_shards(const stream::Catalog& catalog, WallTime now);
inline constexpr std::int64_t kOnDemandStreamsMax = 50;

// `additional` more shards of provisioned streams.
std::optional<Reply> over_shard_limit(Service& service, const stream::Catalog& catalog,
                                      std::int64_t additional);
// One more stream on demand.
std::optional<Reply> over_on_demand_limit(Service& service, const stream::Catalog& catalog);
// One more stream that is CREATING or DELETING.
std::optional<Reply> over_transitions(Service& service, const stream::Catalog& catalog,
                                      stream::StreamStatus status);
// One more consumer of the stream.
std::optional<Reply> over_consumer_limit(Service& service, const stream::Catalog& catalog,
                                         const stream::StreamInfo& stream);
// UpdateShardCount of a stream with so many open shards.
std::optional<Reply> over_scaling(Service& service, const stream::StreamInfo& stream,
                                  std::int64_t target);
std::optional<Reply> over_mode_switches(Service& service, const stream::StreamInfo& stream);
// One more change of the stream's encryption: a start, or a stop of what is on. Counted from the
// catalog, so that a restart changes nothing.
enum class EncryptionChange { kStart, kStop };
std::optional<Reply> over_encryption_changes(Service& service, const stream::StreamInfo& stream,
                                             EncryptionChange change);
// Warm throughput is for accounts that committed to one.
std::optional<Reply> without_commitment(Service& service, const stream::Catalog& catalog);

// A call of the control plane that comes too soon: `stream` is named, or empty.
Reply too_many_calls(const Service& service, std::string_view stream);

}  // namespace spillway::kinesis
