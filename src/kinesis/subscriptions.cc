#include "kinesis/subscriptions.h"

#include "kinesis/subscription.h"

namespace spillway::kinesis {

namespace {

constexpr auto kTakeOverAfter = seconds(5);

}  // namespace

Subscriptions::Subscriptions(stream::Engine& engine) : engine_(engine) {
  engine_.set_listener(this);
}

Subscriptions::~Subscriptions() { engine_.set_listener(nullptr); }

bool Subscriptions::begin(std::shared_ptr<Subscription> subscription, MonoTime now) {
  const std::lock_guard lock(mutex_);
  forget_ended(now);
  const Key key{subscription->shard_id(), subscription->consumer_id()};
  const auto [entry, added] = entries_.try_emplace(key);
  if (!added && now - entry->second.began < kTakeOverAfter) return false;
  if (entry->second.active) entry->second.active->take_over();
  entry->second = {std::move(subscription), now};
  begun_.emplace_back(now, key);
  return true;
}

bool Subscriptions::may_begin(const Subscription& subscription, MonoTime now) {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find({subscription.shard_id(), subscription.consumer_id()});
  return entry == entries_.end() || now - entry->second.began >= kTakeOverAfter;
}

void Subscriptions::end(const Subscription& subscription) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find({subscription.shard_id(), subscription.consumer_id()});
  if (found == entries_.end() || found->second.active.get() != &subscription) return;
  found->second.active = nullptr;
  // Younger ones stay until forget_ended(), to be in the way of the next.
  if (begun_.empty() || found->second.began < begun_.front().first) entries_.erase(found);
}

void Subscriptions::forget_ended(MonoTime now) {
  while (!begun_.empty() && now - begun_.front().first >= kTakeOverAfter) {
    const auto found = entries_.find(begun_.front().second);
    if (found != entries_.end() && !found->second.active &&
        found->second.began == begun_.front().first)
      entries_.erase(found);
    begun_.pop_front();
  }
}

void Subscriptions::on_records(std::span<const stream::ShardId> shards) {
  const std::lock_guard lock(mutex_);
  for (const auto shard : shards) {
    for (auto at = entries_.lower_bound({shard, 0});
         at != entries_.end() && at->first.shard == shard; ++at) {
      if (at->second.active) at->second.active->wake();
    }
  }
}

void Subscriptions::on_catalog() {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, entry] : entries_)
    if (entry.active) entry.active->wake();
}

}  // namespace spillway::kinesis
