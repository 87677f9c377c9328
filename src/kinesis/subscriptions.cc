#include "kinesis/subscriptions.h"

#include <vector>

#include "kinesis/subscription.h"

namespace spillway::kinesis {

namespace {

constexpr auto kTakeOverAfter = seconds(5);

// Those to which something is due, by loop.
class Woken {
 public:
  void wake(const std::shared_ptr<Subscription>& subscription) {
    if (subscription && subscription->wake())
      by_loop_[&subscription->loop()].push_back(subscription);
  }
  // In one task for each loop: what a client gets of several shards on one connection goes out
  // together then.
  void tell() && {
    for (auto& [loop, subscriptions] : by_loop_) {
      loop->post([subscriptions = std::move(subscriptions)] {
        for (const auto& weak : subscriptions)
          if (const auto subscription = weak.lock()) subscription->pump();
      });
    }
  }

 private:
  std::map<io::EventLoop*, std::vector<std::weak_ptr<Subscription>>> by_loop_;
};

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
  Woken woken;
  const std::lock_guard lock(mutex_);
  for (const auto shard : shards) {
    for (auto at = entries_.lower_bound({shard, 0});
         at != entries_.end() && at->first.shard == shard; ++at)
      woken.wake(at->second.active);
  }
  std::move(woken).tell();
}

void Subscriptions::on_catalog() {
  Woken woken;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, entry] : entries_) woken.wake(entry.active);
  std::move(woken).tell();
}

}  // namespace spillway::kinesis
