// Kinesis's rates, as `limits = "aws"` enforces them (docs/limits.md): of shards, and of calls.
//
// What is used of them is kept in memory alone: a restart begins anew. It is bounded by the shards
// that there are and by kCallersMax; forget_unused() drops what holds no information any more.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "stream/position.h"
#include "stream/rate.h"

namespace spillway::kinesis {

enum class Limits {
  kNone,  // the machine's own alone
  kAws,
};

// What may be done a few times a day, for each stream.
enum class DailyQuota { kUpdateShardCount, kUpdateStreamMode };

// Thread-safe. Under Limits::kNone everything may be done, and nothing is kept.
class RateLimits {
 public:
  explicit RateLimits(Limits limits) : enforced_(limits == Limits::kAws) {}

  // How many of the records of these sizes (data and key) the shard takes, from the first one on,
  // which are counted unless it is only asked.
  std::size_t take_records(stream::ShardId shard, std::span<const std::size_t> sizes, MonoTime now,
                           bool only_asked = false);
  // Whether GetRecords may read the shard; counted unless it is only asked. What it has read is
  // counted then: what comes after a large answer pays for it.
  bool take_read(stream::ShardId shard, MonoTime now, bool only_asked = false);
  void count_read(stream::ShardId shard, std::size_t bytes, MonoTime now);
  bool take_iterator(stream::ShardId shard, MonoTime now, bool only_asked = false);
  // SubscribeToShard of a consumer.
  bool take_subscription(stream::ShardId shard, std::uint64_t consumer, MonoTime now);
  // A call of an operation of the control plane; `stream` is the name that it has for a stream, or
  // empty. Those about records are not limited here.
  bool take_call(std::string_view operation, std::string_view stream, MonoTime now);

  // Whether it may be done once more; add_daily() says that it was.
  bool has_daily(DailyQuota quota, std::uint64_t stream_id, MonoTime now);
  void add_daily(DailyQuota quota, std::uint64_t stream_id, MonoTime now);

  // Now and then.
  void forget_unused(MonoTime now);
  std::size_t size() const;

 private:
  struct ShardUse {
    stream::Bucket written_records;
    stream::Bucket written_bytes;
    stream::Bucket reads;
    stream::Bucket read_bytes;
    MonoTime read_again_at{};
    stream::Bucket iterators;

    bool unused(MonoTime now) const;
  };
  // A lock each, so that loops seldom wait for each other.
  struct Stripe {
    mutable std::mutex mutex;
    std::unordered_map<stream::ShardId, ShardUse> shards;
  };
  static constexpr std::size_t kStripes = 16;
  static constexpr std::size_t kCallersMax = 10'000;  // of calls_ and subscriptions_ each
  Stripe& stripe_of(stream::ShardId shard) { return stripes_[shard % kStripes]; }

  const bool enforced_;
  std::array<Stripe, kStripes> stripes_;
  mutable std::mutex mutex_;                                             // what is below
  std::map<std::pair<std::string, std::string>, stream::Bucket> calls_;  // by operation and stream
  std::map<std::pair<stream::ShardId, std::uint64_t>, stream::Bucket> subscriptions_;
  std::map<std::pair<DailyQuota, std::uint64_t>, stream::RollingCount> daily_;
};

}  // namespace spillway::kinesis
