#include "kinesis/rate_limits.h"

#include <algorithm>

namespace spillway::kinesis {

namespace {

using stream::Rate;

constexpr std::int64_t kMiB = std::int64_t{1} << 20;
// Of a shard.
constexpr Rate kRecordsWritten{1000, 1000};
constexpr Rate kBytesWritten{kMiB, kMiB};
constexpr Rate kReads{5, 5};
constexpr Rate kBytesRead{2 * kMiB, 2 * kMiB};
constexpr Rate kIterators{5, 5};
// One a second, of a consumer and shard; the burst leaves ResourceInUseException to who subscribes
// again within 5 seconds.
constexpr Rate kSubscriptions{1, 5};
constexpr nanoseconds kDay = std::chrono::hours(24);

// Calls a second of an operation: of the account's, or of those to one stream.
struct CallRate {
  std::string_view operation;
  std::int64_t per_second;  // 0: not limited here
  bool each_stream = false;
};

// Those with another rate than five a second of the account's.
constexpr CallRate kCallRates[] = {
    {"DecreaseStreamRetentionPeriod", 5, true},
    {"DeregisterStreamConsumer", 5, true},
    {"DescribeLimits", 1},
    {"DescribeStream", 10},
    {"DescribeStreamConsumer", 20, true},
    {"DescribeStreamSummary", 20},
    {"DisableEnhancedMonitoring", 5, true},
    {"EnableEnhancedMonitoring", 5, true},
    {"GetRecords", 0},
    {"GetShardIterator", 0},
    {"IncreaseStreamRetentionPeriod", 5, true},
    {"ListShards", 1000, true},
    {"ListStreamConsumers", 5, true},
    {"PutRecord", 0},
    {"PutRecords", 0},
    {"SubscribeToShard", 0},
    {"UpdateShardCount", 10},
};
constexpr CallRate kOtherCalls{"", 5};

const CallRate& rate_of(std::string_view operation) {
  const auto* row = std::ranges::find(kCallRates, operation, &CallRate::operation);
  return row != std::end(kCallRates) ? *row : kOtherCalls;
}

std::size_t most_a_day(DailyQuota quota) {
  switch (quota) {
    case DailyQuota::kUpdateShardCount:
      return 10;
    case DailyQuota::kUpdateStreamMode:
      return 2;
  }
  return 0;
}

// Takes one; false too where there is no room to note it.
template <typename Key>
bool take_one(std::map<Key, stream::Bucket>& buckets, Key key, const Rate& rate, MonoTime now,
              std::size_t most) {
  if (buckets.size() >= most) {
    std::erase_if(buckets, [now](const auto& entry) { return entry.second.unused(now); });
    if (buckets.size() >= most && !buckets.contains(key)) return false;
  }
  auto& bucket = buckets[std::move(key)];
  if (!bucket.has(rate, 1, now)) return false;
  bucket.take(rate, 1, now);
  return true;
}

}  // namespace

bool RateLimits::ShardUse::unused(MonoTime now) const {
  return written_records.unused(now) && written_bytes.unused(now) && reads.unused(now) &&
         read_bytes.unused(now) && read_again_at <= now && iterators.unused(now);
}

std::size_t RateLimits::take_records(stream::ShardId shard, std::span<const std::size_t> sizes,
                                     MonoTime now, bool only_asked) {
  if (!enforced_) return sizes.size();
  Stripe& stripe = stripe_of(shard);
  const std::lock_guard lock(stripe.mutex);
  ShardUse use = stripe.shards[shard];
  std::size_t taken = 0;
  for (const std::size_t size : sizes) {
    const auto bytes = static_cast<std::int64_t>(size);
    if (!use.written_records.has(kRecordsWritten, 1, now) ||
        !use.written_bytes.has(kBytesWritten, bytes, now))
      break;
    use.written_records.take(kRecordsWritten, 1, now);
    use.written_bytes.take(kBytesWritten, bytes, now);
    ++taken;
  }
  if (!only_asked) stripe.shards[shard] = use;
  return taken;
}

bool RateLimits::take_read(stream::ShardId shard, MonoTime now, bool only_asked) {
  if (!enforced_) return true;
  Stripe& stripe = stripe_of(shard);
  const std::lock_guard lock(stripe.mutex);
  ShardUse& use = stripe.shards[shard];
  if (now < use.read_again_at || !use.reads.has(kReads, 1, now) ||
      !use.read_bytes.has(kBytesRead, 1, now))
    return false;
  if (!only_asked) use.reads.take(kReads, 1, now);
  return true;
}

void RateLimits::count_read(stream::ShardId shard, std::size_t bytes, MonoTime now) {
  if (!enforced_) return;
  Stripe& stripe = stripe_of(shard);
  const std::lock_guard lock(stripe.mutex);
  ShardUse& use = stripe.shards[shard];
  const auto read = static_cast<std::int64_t>(bytes);
  use.read_bytes.take(kBytesRead, read, now);
  // After 10 MiB in one answer nothing is read for 5 seconds, says the documentation.
  if (read > kBytesRead.burst)
    use.read_again_at = now + nanoseconds(read * 1000 / kBytesRead.per_second * 1'000'000);
}

bool RateLimits::take_iterator(stream::ShardId shard, MonoTime now, bool only_asked) {
  if (!enforced_) return true;
  Stripe& stripe = stripe_of(shard);
  const std::lock_guard lock(stripe.mutex);
  ShardUse& use = stripe.shards[shard];
  if (!use.iterators.has(kIterators, 1, now)) return false;
  if (!only_asked) use.iterators.take(kIterators, 1, now);
  return true;
}

bool RateLimits::take_subscription(stream::ShardId shard, std::uint64_t consumer, MonoTime now) {
  if (!enforced_) return true;
  const std::lock_guard lock(mutex_);
  return take_one(subscriptions_, std::pair(shard, consumer), kSubscriptions, now, kCallersMax);
}

bool RateLimits::take_call(std::string_view operation, std::string_view stream, MonoTime now) {
  if (!enforced_) return true;
  const CallRate& row = rate_of(operation);
  if (row.per_second == 0) return true;
  const std::lock_guard lock(mutex_);
  auto key = std::pair(std::string(operation), std::string(row.each_stream ? stream : ""));
  return take_one(calls_, std::move(key), Rate{row.per_second, row.per_second}, now, kCallersMax);
}

bool RateLimits::has_daily(DailyQuota quota, std::uint64_t stream_id, MonoTime now) {
  if (!enforced_) return true;
  const std::lock_guard lock(mutex_);
  const auto found = daily_.find({quota, stream_id});
  return found == daily_.end() || found->second.count(kDay, now) < most_a_day(quota);
}

void RateLimits::add_daily(DailyQuota quota, std::uint64_t stream_id, MonoTime now) {
  if (!enforced_) return;
  const std::lock_guard lock(mutex_);
  daily_[{quota, stream_id}].add(kDay, now);
}

void RateLimits::forget_unused(MonoTime now) {
  if (!enforced_) return;
  for (auto& stripe : stripes_) {
    const std::lock_guard lock(stripe.mutex);
    std::erase_if(stripe.shards, [now](const auto& entry) { return entry.second.unused(now); });
  }
  const auto unused = [now](const auto& entry) { return entry.second.unused(now); };
  const std::lock_guard lock(mutex_);
  std::erase_if(calls_, unused);
  std::erase_if(subscriptions_, unused);
  std::erase_if(daily_, [now](const auto& entry) { return entry.second.count(kDay, now) == 0; });
}

std::size_t RateLimits::size() const {
  std::size_t size = 0;
  for (const auto& stripe : stripes_) {
    const std::lock_guard lock(stripe.mutex);
    size += stripe.shards.size();
  }
  const std::lock_guard lock(mutex_);
  return size + calls_.size() + subscriptions_.size() + daily_.size();
}

}  // namespace spillway::kinesis
