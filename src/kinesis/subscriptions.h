// Who reads which shard by SubscribeToShard. Thread-safe.
#pragma once

#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <utility>

#include "base/time.h"
#include "stream/engine.h"

namespace spillway::kinesis {

class Subscription;

class Subscriptions final : public stream::EngineListener {
 public:
  // Listens to the engine for as long as it lives.
  explicit Subscriptions(stream::Engine& engine);
  ~Subscriptions() override;

  // A consumer has one subscription to a shard: this one, from now on, and the one before it ends.
  // False where that one began less than 5 seconds ago, whether it is still under way or not
  // (SubscribeToShard's documentation).
  bool begin(std::shared_ptr<Subscription> subscription, MonoTime now);
  // What begin() would say.
  bool may_begin(const Subscription& subscription, MonoTime now);
  // It has ended. Does nothing where another one took its place.
  void end(const Subscription& subscription);

  void on_records(std::span<const stream::ShardId> shards) override;
  void on_catalog() override;

 private:
  struct Key {
    stream::ShardId shard = 0;
    std::uint64_t consumer = 0;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  struct Entry {
    std::shared_ptr<Subscription> active;  // nullptr: it has ended
    MonoTime began{};
  };
  void forget_ended(MonoTime now);

  stream::Engine& engine_;
  std::mutex mutex_;
  std::map<Key, Entry> entries_;
  std::deque<std::pair<MonoTime, Key>> begun_;  // of the last 5 seconds
};

}  // namespace spillway::kinesis
