// What the operations share: the engine, who we are, and how inputs are read and errors answered.
#pragma once

#include <atomic>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "io/clock.h"
#include "io/on_loop.h"
#include "kinesis/authorization.h"
#include "kinesis/callers.h"
#include "kinesis/data_keys.h"
#include "kinesis/operation.h"
#include "kinesis/rate_limits.h"
#include "kinesis/recent_events.h"
#include "kinesis/subscriptions.h"
#include "kinesis/traffic.h"
#include "stream/engine.h"
#include "stream/token.h"
#include "wire/shapes.h"

namespace spillway::kinesis {

struct ServiceOptions {
  std::string region = "us-east-1";
  std::string account = "000000000000";
  // How long creating, updating and deleting a stream take, as they do at AWS; 0: no time at all.
  milliseconds transition{0};
  // How long a SubscribeToShard lasts.
  milliseconds subscription_life{seconds(300)};
  // How long an iterator and a page's token can be used.
  milliseconds token_life{seconds(300)};
  Limits limits = Limits::kNone;
};

inline constexpr std::int64_t kShardsMax = 100'000;  // of a stream

std::string stream_arn(const ServiceOptions& options, std::string_view stream);

// Thread-safe. What it is handed must outlive it.
class Service {
 public:
  Service(ServiceOptions options, stream::Engine& engine, io::Clock& clock, io::Entropy& entropy,
          const stream::TokenKey& token_key, const auth::MasterKeys& master_keys)
      : options_(std::move(options)),
        engine_(engine),
        clock_(clock),
        sealer_(token_key, entropy),
        data_keys_(master_keys, entropy),
        limits_(options_.limits),
        subscriptions_(engine) {}

  const ServiceOptions& options() const { return options_; }
  stream::Engine& engine() { return engine_; }
  WallTime now() { return clock_.wall_now(); }
  MonoTime mono_now() { return clock_.mono_now(); }
  const stream::TokenSealer& sealer() const { return sealer_; }
  DataKeys& data_keys() { return data_keys_; }
  Subscriptions& subscriptions() { return subscriptions_; }
  RecentEvents& recent_events() { return recent_events_; }
  ResourcePolicies& resource_policies() { return resource_policies_; }
  Traffic& traffic() { return traffic_; }
  RateLimits& limits() { return limits_; }
  Callers& callers() { return callers_; }
  // Hash keys that spread over all there are: of records whose stream chooses their shards.
  Uint128 next_spread_key() {
    constexpr Uint128 kGolden = Uint128{0x9e3779b97f4a7c15} << 64 | 0xf39cc0605cedc835;
    return kGolden * spread_.fetch_add(1, std::memory_order_relaxed);
  }
  std::string arn_of(std::string_view stream) const { return stream_arn(options_, stream); }
  // An iterator or token that was made then is too old.
  bool token_expired(WallTime made) { return made + options_.token_life < now(); }

  // The stream of that name, unless its deletion is over; nullptr where there is none.
  stream::StreamRef existing(const stream::Catalog& catalog, std::string_view name);
  // Gives a stream or consumer a status that ends by itself when its time is over.
  void settle_later(stream::Lifecycle& changed, stream::StreamStatus status);
  // Removes the streams and consumers whose deletion is over, and the closed shards whose records
  // have expired; call it now and then. `done` runs on any thread, possibly before this returns.
  void remove_deleted(UniqueFunction<void(Status)> done);
  // Forgets what was counted of streams that are gone, and limits that nobody is near; now and then
  // too, on one thread.
  void forget_deleted();

 private:
  const ServiceOptions options_;
  stream::Engine& engine_;
  io::Clock& clock_;
  const stream::TokenSealer sealer_;
  DataKeys data_keys_;
  std::atomic<std::uint64_t> spread_{0};
  Traffic traffic_;
  RateLimits limits_;
  Callers callers_;
  std::uint64_t forgotten_version_ = 0;  // of the catalog: forget_deleted()'s
  RecentEvents recent_events_;
  Subscriptions subscriptions_;
  ResourcePolicies resource_policies_;
};

// The API's errors that this build gives: each is mapped once, to its name and status.
enum class ApiError {
  kAccessDenied,
  kDryRun,  // a request that would have succeeded
  kExpiredIterator,
  kExpiredNextToken,
  kInternalFailure,
  kInvalidArgument,
  kKmsAccessDenied,
  kKmsDisabled,
  kKmsInvalidState,
  kKmsNotFound,
  kKmsOptInRequired,
  kKmsThrottling,
  kLimitExceeded,
  kProvisionedThroughputExceeded,
  kResourceInUse,
  kResourceNotFound,
  kSerialization,
  kUnknownOperation,
  kValidation,
};
Reply error_reply(ApiError error, std::string_view message);
// Why an input is not valid, as wire::violations() words it; at least one.
Reply validation_reply(std::span<const std::string> violations);
// Whether nothing must be done of what was asked; and what is answered where it could have been.
bool dry_run(const wire::Value& input);
Reply dry_run_reply();
// A failed call of the engine, to a client that can do nothing but try again.
Reply engine_reply(const Error& error, std::string_view where);
// A data key that can't be made or opened.
Reply data_key_reply(const Error& error);

// The input, decoded, valid, and of a caller who may do this; or the answer to give instead.
struct Input {
  wire::Value value;
  std::optional<Reply> refusal;
};
Input read_input(Service& service, Call& call, const wire::Shape& shape);
// Only decoded: again, of a call whose input was read before.
Result<wire::Value> decode_input(const Call& call, const wire::Shape& shape);

// The stream that StreamName or StreamARN names; or the answer to give instead.
struct FoundStream {
  stream::StreamRef stream;
  std::optional<Reply> refusal;
};
// Only the name; empty with a refusal where the input names none, or two that differ.
struct StreamName {
  std::string name;
  std::optional<Reply> refusal;
};
StreamName name_in(Service& service, const wire::Value& input);
FoundStream find_stream(Service& service, const wire::Value& input);
// One that takes and gives records: not while it is CREATING or DELETING.
FoundStream find_usable_stream(Service& service, const wire::Value& input);
// Neither CREATING nor DELETING.
bool settled(Service& service, const stream::StreamInfo& stream);
Reply stream_not_found(Service& service, std::string_view name);
Reply not_active(Service& service, const stream::StreamInfo& stream);
Reply too_many_shards();

// In which status a stream must be to be changed; else ResourceInUseException.
enum class Needs { kActive, kExisting };
// Changes a stream. `edit` gets the newest catalog and a change whose put.front() is a copy
// of the stream: it completes the change, or gives the answer of a refusal. Without one the answer
// is empty, and comes when the change is durable.
using StreamEdit =
    UniqueFunction<std::optional<Reply>(const stream::Catalog&, stream::CatalogChange&)>;
Task<Reply> change_stream(Service& service, Call& call, std::string name, StreamEdit edit,
                          Needs needs = Needs::kActive);
// The same of the stream that the input names.
Task<Reply> change_stream(Service& service, Call& call, const wire::Value& input, StreamEdit edit);

Reply reply_with(wire::DocumentWriter document);

// A shard as ListShards and DescribeStream give it.
void write_shard(wire::DocumentWriter& to, const stream::ShardInfo& shard);
void write_hash_key_range(wire::DocumentWriter& to, const stream::ShardInfo& shard);
std::string_view to_string(stream::StreamStatus status);
std::string_view to_string(stream::StreamMode mode);
std::string_view to_string(stream::RecordDistribution distribution);
// Closed so long ago that none of its records can be read any more.
bool expired(const stream::StreamInfo& stream, const stream::ShardInfo& shard, WallTime now);

using io::on_loop;

}  // namespace spillway::kinesis
